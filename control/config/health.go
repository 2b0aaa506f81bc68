package config

// Health is an active check: each server is asked at intervals. A bare value is its path, or `tcp` or `tls`.
type Health struct {
	// What is asked for by GET. Without it and without `type`, a TCP connection is the check.
	Path string `yaml:"path" example:"/healthz"`

	// The kind of check. Without it: `https` or `http` (as the pool speaks) with a path, else `tcp`.
	Type string `yaml:"type" words:"http https tcp tls grpc script exec" example:"http"`

	// The time between two checks of a server.
	Every Duration `yaml:"every" default:"3s" example:"10s"`

	// How much the time between checks varies at random.
	Jitter Percent `yaml:"jitter" default:"20%" example:"10%"`

	// How long a check may take.
	Timeout Duration `yaml:"timeout" default:"2s" example:"1s"`

	// Successes in a row after which a server is well again.
	Rise int `yaml:"rise" range:"1 1000" default:"2" example:"1"`

	// Failures in a row after which a server is not well.
	Fall int `yaml:"fall" range:"1 1000" default:"3" example:"2"`

	// What the answer must be.
	Expect Expect `yaml:"expect" example:"{ status: 200, body: ready }"`

	// The port asked, where it is not the server's own.
	Port int `yaml:"port" range:"1 65535" example:"9000"`

	// The Host sent. Without it: the server's own address.
	Host string `yaml:"host" example:"app.example.com"`
}

// FromWord takes a path or the type of a check.
func (h *Health) FromWord(word string) error {
	switch {
	case len(word) > 0 && word[0] == '/':
		h.Path = word
	case word == "tcp" || word == "tls":
		h.Type = word
	default:
		return problemf("want a path that starts with \"/\", or tcp, or tls")
	}
	return nil
}

// Expect is the answer that a check must get. A bare value is the status.
type Expect struct {
	// Statuses that count as success: `200`, `2xx`, `200-399`, or a list of these.
	Status []StatusRange `yaml:"status,short" default:"200-399" example:"[200, 3xx]"`

	// A text that the first 64 KiB of the body must contain.
	Body string `yaml:"body" example:"ready"`
}

// Eject takes a server out for a while when real requests to it fail: no connection, no answer in time, a broken
// answer, or a 5xx.
type Eject struct {
	// Failures in a row that lead to ejection; `0` turns this rule off.
	Consecutive int `yaml:"consecutive" default:"5" example:"3"`

	// The share of failed requests within `window` that leads to ejection; `0` turns this rule off.
	Failures Percent `yaml:"failures" default:"50%" example:"30%"`

	// Requests within `window` below which `failures` says nothing.
	Requests int `yaml:"requests" default:"10" example:"20"`

	// The time over which failures are counted.
	Window Duration `yaml:"window" default:"10s" example:"30s"`

	// How long the first ejection lasts; the n-th in a row lasts n times as long.
	Time Duration `yaml:"time" default:"10s" example:"30s"`

	// The largest share of a pool's servers that is out at the same time.
	Most Percent `yaml:"most" default:"50%" example:"30%"`

	// Off is set by `eject: off`.
	Off bool `yaml:"-"`
}

// FromWord takes `on` and `off`.
func (e *Eject) FromWord(word string) (err error) {
	e.Off, err = isOff(word)
	return err
}
