package config

import (
	"reflect"
	"strings"
)

// Health is an active check: each server is asked at intervals. A bare value is its path, `tcp` or `tls`, or the name of one of `health_checks`.
type Health struct {
	// The name under `health_checks`.
	Name string `yaml:"-,name"`

	// The check of `health_checks` that this one is, but for what is written here.
	Use string `yaml:"use" example:"web"`

	// What is asked for by GET; of `grpc`, the service after a slash. Without it and without `type`, a TCP connection is the check.
	Path string `yaml:"path" example:"/healthz"`

	// The kind of check. Without it: `https` or `http` (as the pool speaks) with a path, else `tcp`. `https` asks over HTTP/3 where the pool's `protocol` is `http3`.
	Type string `yaml:"type" words:"http https tcp tls grpc script udp exec" example:"http"`

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

	// Asks over the connection of the check before, if that is still open. `http` and `https` only.
	Reuse bool `yaml:"reuse" default:"off" example:"on"`

	// What is said to the server, and what it must answer, in turn; over TLS where the pool speaks it. Implies type `script`. With type `udp` each text
	// to send is a datagram.
	Script []HealthStep `yaml:"script" example:"[{ send: \"PING\\r\\n\" }, { expect: +PONG }]"`

	// A program and its arguments; it is well when its exit status is 0. It gets WEIR_POOL, WEIR_SERVER, WEIR_ADDRESS, WEIR_HOST and WEIR_PORT.
	// Implies type `exec`.
	Command []string `yaml:"command" example:"[/usr/lib/weir/check-ldap, -v]"`

	// Off is set by `health: off`; Load replaces such a value by nil.
	Off bool `yaml:"-"`
}

// HealthStep is a step of a check of type `script`: exactly one of its keys.
type HealthStep struct {
	// Bytes for the server.
	Send string `yaml:"send" example:"\"PING\\r\\n\""`

	// What must come from the server: a text somewhere in what it says, or `~` and a regular expression.
	Expect string `yaml:"expect" example:"+PONG"`
}

// FromWord takes a path, the type of a check, the name of one, or `off`.
func (h *Health) FromWord(word string) error {
	switch {
	case len(word) > 0 && word[0] == '/':
		h.Path = word
	case word == "tcp" || word == "tls":
		h.Type = word
	case word == "off" || word == "false" || word == "no":
		h.Off = true
	case strings.Trim(word, hostNameBytes+".") == "" && word != "":
		h.Use = word
	default:
		return problemf("want a path that starts with \"/\", tcp, tls, off, or the name of one of health_checks")
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
// answer, or 502, 503 or 504. What the application itself gets wrong (500) says nothing about the server.
type Eject struct {
	// Failures in a row that lead to ejection; `0` turns this rule off.
	Consecutive int `yaml:"consecutive" default:"5" example:"3"`

	// The share of failed requests within `window` that leads to ejection; `0` turns this rule off.
	Failures Percent `yaml:"failures" default:"50%" example:"30%"`

	// Requests within `window` below which `failures` says nothing.
	Requests int `yaml:"requests" default:"10" example:"20"`

	// The time over which failures are counted.
	Window Duration `yaml:"window" default:"10s" example:"30s"`

	// How long the first ejection lasts; the n-th in a row lasts n times as long. It ends before when checks find the server well that they had found down.
	Time Duration `yaml:"time" default:"10s" example:"30s"`

	// How long the longest one lasts.
	Longest Duration `yaml:"longest" default:"5m" example:"1m"`

	// Statuses of answers that count as failures, besides connections that fail and answers that do not come.
	Status []StatusRange `yaml:"status" default:"502-504" example:"[500, 502-504]"`

	// How many standard deviations below the mean of all servers' success rates a server is ejected, where five servers or more have had enough requests; `0` turns
	// this rule off.
	Deviation float64 `yaml:"deviation" default:"1.9" example:"3"`

	// Requests within `window` below which a server's success rate says nothing.
	Volume int `yaml:"volume" default:"100" range:"10 1000000" example:"500"`

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

// healthOf completes a pool's check by the one that it uses, key by key.
func (r *reader) healthOf(cfg *Config, p *Pool) *Health {
	h := p.Health
	if h == nil || h.Off {
		return nil
	}
	if h.Use == "" {
		return h
	}
	for i := range cfg.HealthChecks {
		if used := &cfg.HealthChecks[i]; used.Name == h.Use {
			own, whole := reflect.ValueOf(h).Elem(), *used
			for _, f := range r.shapes.fieldsOf(own.Type()) {
				if f.key != "" && r.isWritten(joinPath(joinPath("pools", p.Name)+".health", f.key)) {
					reflect.ValueOf(&whole).Elem().FieldByIndex(f.index).Set(own.FieldByIndex(f.index))
				}
			}
			return &whole
		}
	}
	return h
}

func (r *reader) checkHealthName(cfg *Config, p *Pool) {
	if p.Health == nil || p.Health.Use == "" {
		return
	}
	at := joinPath("pools", p.Name) + ".health"
	for i := range cfg.HealthChecks {
		if cfg.HealthChecks[i].Name == p.Health.Use {
			return
		}
	}
	if r.isWritten(at + ".use") {
		at += ".use"
	}
	r.suggest(r.at(at), at, r.nearestName(p.Health.Use, len(cfg.HealthChecks), func(i int) string { return cfg.HealthChecks[i].Name }), "no check %q under health_checks; otherwise want a path that starts with \"/\", tcp, tls or off", p.Health.Use)
}
