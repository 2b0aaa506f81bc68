package transport

import (
	"slices"
	"time"

	"github.com/weir-proxy/weir/engine"
)

// A server that is new, or has come back, would have as many connections as there are requests at that moment, and keep them, where fewer are enough
// once its answers come. So for rampFor after the first of them one request for each connection waits until another gives its own back, and opens one
// itself after rampWait.
const (
	rampFor  = 1000 // ms
	rampWait = 3    // ms
)

// ramp is the requests that wait for a connection of others.
type ramp struct {
	since   int64            // ms: there was no connection then
	waiting []*engine.Signal // the first came first
	spare   []*engine.Signal // to be used again
	inVain  bool             // somebody waited, and nobody has given a connection back since: answers take long, or the server closes after each
}

// dialInRamp is dialOwn for a request that takes a connection of others as well.
func (s *Conns) dialInRamp(config *Config, d Dialing) (*Conn, error) {
	r, now := &s.ramp, s.loop.Now()
	if s.Open == 0 {
		r.since, r.inVain = now, false
	}
	for by := now + rampWait; d.Reuse && s.awaitChange(by); {
		if c := s.Take(Want{d.Asked, d.Opaque}); c != nil {
			return c, nil
		}
	}
	c, err := s.dialOwn(config, d)
	if err != nil {
		r.wake(s.loop)
	}
	return c, err
}

// awaitChange parks until a connection is given back or ends, at most until by; false: there is nothing to wait for.
func (s *Conns) awaitChange(by int64) bool {
	r, now := &s.ramp, s.loop.Now()
	switch {
	case now-r.since >= rampFor, r.inVain, len(r.waiting) >= s.Open:
		return false
	case now >= by:
		r.inVain = true
		return false
	}
	w := r.signal()
	r.waiting = append(r.waiting, w)
	if !s.loop.Wait(w, time.Duration(by-now)*time.Millisecond) {
		r.waiting = slices.DeleteFunc(r.waiting, func(other *engine.Signal) bool { return other == w })
	}
	r.spare = append(r.spare, w)
	return true
}

func (r *ramp) signal() *engine.Signal {
	if n := len(r.spare); n > 0 {
		w := r.spare[n-1]
		r.spare = r.spare[:n-1]
		return w
	}
	return &engine.Signal{}
}

// wake has the request look that has waited longest.
func (r *ramp) wake(l *engine.Loop) {
	if len(r.waiting) > 0 {
		w := r.waiting[0]
		r.waiting = slices.Delete(r.waiting, 0, 1)
		l.Fire(w)
	}
}
