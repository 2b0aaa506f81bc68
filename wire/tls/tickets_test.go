package tls

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// Keys differ by label and change with time; for a while the old ones are understood.
func TestTicketKeysRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewTickets(time.Now())
		a, b := k.keys("a"), k.keys("b")
		if a[0] == b[0] {
			t.Error("two policies have one key")
		}
		if k.Rotate(time.Now()) {
			t.Error("rotated before its time")
		}
		for i := range 5 {
			time.Sleep(ticketsFor)
			if !k.Rotate(time.Now()) {
				t.Fatal("not rotated")
			}
			now := k.keys("a")
			if now[0] == a[0] || len(now) != min(i+2, ticketsKept) || now[1] != a[0] {
				t.Errorf("after %d turns there are %d keys", i+1, len(now))
			}
			a = now
		}
	})
}

// resumes does two handshakes, the second with the session of the first, and says whether it went on.
func resumes(t *testing.T, first, second *tls.Config) bool {
	t.Helper()
	client := &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	var resumed bool
	for _, config := range []*tls.Config{first, second} {
		ln, err := tls.Listen("tcp", "127.0.0.1:0", config)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("x"))
			io.Copy(io.Discard, c)
			c.Close()
		}()
		raw, err := net.DialTimeout("tcp", ln.Addr().String(), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		raw.SetDeadline(time.Now().Add(5 * time.Second))
		c := tls.Client(raw, client)
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		resumed = c.ConnectionState().DidResume
		c.Close()
		ln.Close()
	}
	return resumed
}

func TestSessionsGoOnUnderTheSamePolicyAlone(t *testing.T) {
	cert, _ := certificate(t)
	k := NewTickets(time.Now())
	policy := func(label string) *tls.Config {
		p := NewPolicy(label, tls.VersionTLS12, nil, func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil })
		k.Apply(p)
		return p.Config
	}
	if !resumes(t, policy("a"), policy("a")) {
		t.Error("a policy that was built anew, as by a reload, does not know its sessions")
	}
	before := policy("a")
	next := NewTickets(time.Now())
	next.Inherit(k.Secrets())
	k = next
	if !resumes(t, before, policy("a")) {
		t.Error("the process that took over does not know the sessions of the one before")
	}
	if resumes(t, policy("a"), policy("b")) {
		t.Error("a session went on under another policy")
	}
}
