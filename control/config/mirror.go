package config

// Mirror sends copies of requests to another pool, whose answers nobody gets. A bare value is the pool's name; `off` is none.
type Mirror struct {
	// The pool that gets the copies.
	Pool string `yaml:"pool,short,required" example:"shadow"`

	// How many of the requests are copied.
	Share Percent `yaml:"share" default:"100%" example:"10%"`

	// The largest body that is copied; requests with a larger one are not.
	Body Size `yaml:"body" default:"64KiB" example:"1MiB"`

	// Compares the answers with those that clients get: status, Content-Type and body. What differs is counted, and is in the access log.
	Compare bool `yaml:"compare" default:"off" example:"on"`

	// Off is set by `mirror: off`.
	Off bool `yaml:"-"`
}

// FromWord takes `off`.
func (m *Mirror) FromWord(word string) (err error) {
	if m.Off, err = isOff(word); err == nil && !m.Off {
		err = problemf("want the name of a pool")
	}
	return err
}

// mirrorBodyMost bounds the copies of bodies that are in memory.
const mirrorBodyMost = 16 << 20

func (r *reader) checkMirror(cfg *Config, path string, m *Mirror) {
	if m == nil || m.Off || m.Pool == "" {
		return
	}
	at := path
	if r.isWritten(joinPath(path, "pool")) {
		at = joinPath(path, "pool")
	}
	r.checkPoolName(cfg, at, m.Pool)
	if m.Body > mirrorBodyMost {
		r.wrong(joinPath(path, "body"), "copies are in memory; at most 16MiB")
	}
}
