package resolve

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weir-proxy/weir/traffic/pool"
)

func TestOnceTellsWhichNamesDoNotResolve(t *testing.T) {
	s := startNameServer(t)
	s.set("app.test. A", "app.test. 0 A 10.0.0.1")
	s.set("six.test. AAAA", "six.test. 0 AAAA 2001:db8::1")
	s.set("_http._tcp.srv.test. SRV", "_http._tcp.srv.test. 0 SRV 0 0 80 app.test.")
	s.fail("broken.test.", true)
	good := []pool.Target{{Name: "app.test", Port: 80}, {Name: "six.test", Port: 80}, {Name: "_http._tcp.srv.test"}}
	bad := []pool.Target{{Name: "none.test", Port: 80}, {Name: "broken.test", Port: 80}, {Name: "_http._tcp.none.test"}}
	failed := Once(t.Context(), quick(t, s.address), append(good, bad...))
	if len(failed) != len(bad) {
		t.Errorf("%v", failed)
	}
	for _, target := range bad {
		if failed[target] == nil {
			t.Errorf("%v resolves", target)
		}
	}
}

// A name server that does not answer costs no more than the time that there is, however many names there are.
func TestOnceEndsInTime(t *testing.T) {
	silent, listener := bothOnOnePort(t)
	defer silent.Close()
	defer listener.Close()
	var targets []pool.Target
	for i := range 1000 {
		targets = append(targets, pool.Target{Name: fmt.Sprintf("n%d.test", i), Port: 80})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	failed := Once(ctx, Config{Servers: []string{silent.LocalAddr().String()}, Hosts: "/dev/null", ResolvConf: "/dev/null"}, targets)
	if took := time.Since(began); took > 5*time.Second || len(failed) != len(targets) {
		t.Errorf("%d names took %v", len(failed), took)
	}
	for _, err := range failed {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
}
