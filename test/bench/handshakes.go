package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

func fullHandshakes() *question {
	return &question{
		Name:     "handshakes",
		Asks:     "What does a connection cost that does a full TLS 1.3 handshake (ECDSA P-256, X25519) and ends?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  loadFigures,
		targets:  beside("cpu", 1.1, 1.1),
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return loadWith(ctx, s, handshakes{address: s.secureAddress, seconds: b.seconds})
		},
	}
}

func resumedHandshakes() *question {
	return &question{
		Name:     "handshakes-resumed",
		Asks:     "What does a connection cost that resumes a session of TLS 1.3 and ends?",
		subjects: []string{"nginx", "haproxy", "weir"},
		figures:  loadFigures,
		targets:  beside("cpu", 1.0, 1.0),
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return loadWith(ctx, s, handshakes{address: s.secureAddress, seconds: b.seconds, resumes: true})
		},
	}
}

// handshakes opens connections, and closes them once TLS is agreed on. All three are asked for the same group: what weir and a newer OpenSSL prefer, the hybrid
// with ML-KEM, costs more, and the peers' OpenSSL does not have it.
type handshakes struct {
	address string
	seconds int
	resumes bool
}

// atOnce is the number of connections that are opened side by side.
const atOnce = 16

func (h handshakes) run(ctx context.Context) (loaded, error) {
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519}}
	if h.resumes {
		session := &oneSession{}
		config.ClientSessionCache = session
		if err := session.gain(h.address, config); err != nil {
			return loaded{}, err
		}
	}
	var done, failed, resumed atomic.Int64
	var all sync.WaitGroup
	until := time.Now().Add(time.Duration(h.seconds) * time.Second)
	for range atOnce {
		all.Go(func() {
			for time.Now().Before(until) && ctx.Err() == nil {
				c, err := tls.Dial("tcp", h.address, config)
				if err != nil {
					failed.Add(1)
					continue
				}
				done.Add(1)
				if c.ConnectionState().DidResume {
					resumed.Add(1)
				}
				c.Close()
			}
		})
	}
	all.Wait()
	n := done.Load()
	if failed.Load() > 0 || n == 0 || h.resumes != (resumed.Load() == n) {
		return loaded{}, fmt.Errorf("handshakes with %s: %d done, %d resumed, %d failed", h.address, n, resumed.Load(), failed.Load())
	}
	return loaded{Requests: float64(n), Seconds: float64(h.seconds)}, nil
}

// oneSession gives every connection the same session.
type oneSession struct {
	mu      sync.Mutex
	session *tls.ClientSessionState
}

// Get returns the session.
func (o *oneSession) Get(string) (*tls.ClientSessionState, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.session, o.session != nil
}

// Put keeps the first.
func (o *oneSession) Put(_ string, s *tls.ClientSessionState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.session == nil {
		o.session = s
	}
}

// gain does a request, with whose answer the session comes.
func (o *oneSession) gain(address string, config *tls.Config) error {
	c, err := tls.Dial("tcp", address, config)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	if err := ask128(c); err != nil {
		return err
	}
	if o.session == nil {
		return fmt.Errorf("%s gives no session", peers.Port(address))
	}
	return nil
}
