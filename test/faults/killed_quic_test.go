package faults

import (
	"crypto/tls"
	"net/http"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/weir-proxy/weir/test/peers"
)

// RFC 9000 section 10.3: "A stateless reset is provided as an option of last resort for an endpoint that does not have access to the state of a connection." Without one, clients of a weir that was
// killed wait until they give up by themselves, though another serves at its address long since.
func TestClientsOfHTTP3HearThatTheirWeirWasKilled(t *testing.T) {
	secure, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	first := startProcess(t, `{ listeners: { front: "FRONT", secure: { address: "`+secure+`", tls: on } }, sites: { "*": { respond: 200 } }, admin: off, logs: { access: off }, data: "`+t.TempDir()+`" }`)
	tr := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.Close()
	ask := func() error {
		r, _ := http.NewRequest("GET", "https://"+secure+"/", nil)
		answer, err := tr.RoundTrip(r)
		if err == nil {
			answer.Body.Close()
		}
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	first.Process.Signal(syscall.SIGKILL)
	<-first.ended
	startCommand(t, exec.Command(first.Path, first.Args[1:]...), first.address)
	began := time.Now()
	for tries := 0; ask() != nil; tries++ {
		if tries == 3 {
			t.Fatal("no request is answered by the weir that has started")
		}
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the client has waited for %v", took)
	}
}
