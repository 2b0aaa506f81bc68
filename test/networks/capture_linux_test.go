package networks

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// between is a client and a server with weir's machine as the router between their networks.
func between(t *testing.T) (client, weir, server *host) {
	client, weir, server = newHost(t, "client"), newHost(t, "weir"), newHost(t, "server")
	connect(client, "eth0", "10.1.0.2/24 fd01::2/64", weir, "inside", "10.1.0.1/24 fd01::1/64")
	connect(server, "eth0", "10.2.0.2/24 fd02::2/64", weir, "outside", "10.2.0.1/24 fd02::1/64")
	weir.forwards()
	client.route("0.0.0.0/0", "10.1.0.1")
	client.route("::/0", "fd01::1")
	server.route("0.0.0.0/0", "10.2.0.1")
	server.route("::/0", "fd02::1")
	return client, weir, server
}

const capturing = `
listeners:
  inline: { address: ":8080", capture: { mode: MODE, ports: [80], interfaces: [inside], install: on } }
pools:
  original: { source: [SOURCE] }
network: on
sites:
  "*":
    /own/*: { respond: { body: weir } }
    /*: { pool: original, request_headers: { set: { X-To: "for {dest_ip} {dest_port}" } } }
  blocked.test: { /*: [{ match: { destinations: [10.2.0.0/16], ports: [80] }, respond: { status: 403, body: blocked } }, { pool: original }] }
admin: off
logs: { access: { file: DIR/access.log, format: "{client} {dest} {status} {server}" } }
`

// Captured traffic is HTTP traffic: it is routed, filtered and logged, goes where its client wanted, and if asked for under the client's address.
func TestCapturedTrafficGoesWhereItsClientWanted(t *testing.T) {
	for _, c := range []struct{ mode, source, sees4, sees6 string }{
		{"redirect", "10.2.0.1", "10.2.0.1", "no"},
		{"redirect", "client", "10.1.0.2", "fd01::2"},
		{"tproxy", "client", "10.1.0.2", "fd01::2"},
	} {
		t.Run(c.mode+" "+c.source, func(t *testing.T) {
			client, weir, server := between(t)
			server.web(":80")
			server.web(":81")
			w := weir.weir(strings.NewReplacer("MODE", c.mode, "SOURCE", c.source).Replace(capturing))

			if got, want := client.get("http://10.2.0.2/"), "200 server was asked by "+c.sees4+" for 10.2.0.2 80"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if c.sees6 != "no" {
				if got, want := client.get("http://[fd02::2]/"), "200 server was asked by "+c.sees6+" for fd02::2 80"; got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			if got, want := client.get("http://10.2.0.2:81/"), "200 server was asked by 10.1.0.2"; got != want {
				t.Errorf("another port: got %q, want %q", got, want)
			}
			if got := client.get("http://10.2.0.2/own/"); got != "200 weir" {
				t.Errorf("got %q", got)
			}
			if got := client.get("http://10.1.0.1:8080/"); !strings.HasPrefix(got, "421 ") {
				t.Errorf("who was not captured has no original destination: %q", got)
			}
			if got := client.get("http://10.2.0.9/"); !strings.HasPrefix(got, "50") {
				t.Errorf("a destination that is not there: %q", got)
			}
			within(t, 3*time.Second, "the log", func() bool {
				log, _ := os.ReadFile(filepath.Join(w.Dir, "access.log"))
				return strings.Contains(string(log), "10.1.0.2 10.2.0.2:80 200 10.2.0.2:80\n")
			})
			w.stop()
			if got, want := client.get("http://10.2.0.2/"), "200 server was asked by 10.1.0.2"; got != want {
				t.Errorf("after weir has stopped: got %q, want %q", got, want)
			}
			weir.isClean(t)
		})
	}
}

func TestCaptureEndsWithAKilledWeir(t *testing.T) {
	client, weir, server := between(t)
	server.web(":80")
	w := weir.weir(strings.NewReplacer("MODE", "redirect", "SOURCE", "client").Replace(capturing))
	if got := client.get("http://10.2.0.2/own/"); !strings.HasPrefix(got, "200 weir") {
		t.Fatal(got)
	}
	w.Process.Kill()
	<-w.done
	if got, want := client.get("http://10.2.0.2/"), "200 server was asked by 10.1.0.2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// isClean reports what weir has left in a host's network.
func (h *host) isClean(t *testing.T) {
	t.Helper()
	for _, command := range []string{"nft list ruleset", "ip rule", "ip -6 rule"} {
		h.do(func() error {
			text, err := exec.Command("sh", "-c", command).CombinedOutput()
			if strings.Contains(string(text), "weir") || strings.Contains(string(text), "7765") {
				t.Errorf("%s is left with: %s", command, text)
			}
			return err
		})
	}
}
