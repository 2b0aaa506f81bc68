package networks

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const transparent = `
listeners:
  front: { address: ":80" }
pools:
  shown: { servers: ["10.2.0.2:80", "[fd02::2]:80"], source: client, balance: round_robin }
  four:  { servers: ["10.2.0.2:80"], source: client }
  six:   { servers: ["[fd02::2]:80"], source: client }
network: on
sites:
  "*": { /4/*: four, /6/*: six, /*: shown }
admin: { socket: off, address: 127.0.0.1:9180 }
logs: { access: off }
`

// Servers see the clients' addresses, of either family; each client's connections are used again for it, and for nobody else.
func TestServersSeeTheClientsAddress(t *testing.T) {
	client, weir, server := between(t)
	server.web(":80")
	w := weir.weir(transparent)
	for url, want := range map[string]string{
		"http://10.1.0.1/4/":  "200 server was asked by 10.1.0.2",
		"http://[fd01::1]/6/": "200 server was asked by fd01::2",
		// A client of one family cannot be shown to a server of the other: that sees weir.
		"http://10.1.0.1/6/":  "200 server was asked by fd02::1",
		"http://[fd01::1]/4/": "200 server was asked by 10.2.0.1",
	} {
		if got := client.get(url); got != want {
			t.Errorf("%s: got %q, want %q", url, got, want)
		}
	}
	// Two clients on connections that they keep, in turn.
	client.up("eth0", "10.1.0.3/24")
	for range 2 {
		for _, from := range []string{"10.1.0.2", "10.1.0.3"} {
			c, err := client.dialFrom(from, "10.1.0.1:80")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			r := bufio.NewReader(c)
			for range 3 {
				fmt.Fprint(c, "GET /4/ HTTP/1.1\r\nHost: a\r\n\r\n")
				response, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				if got := text(response); got != "200 server was asked by "+from {
					t.Errorf("client %s: %q", from, got)
				}
			}
		}
	}
	if n := opened(t, weir, "four"); n > 6 {
		t.Errorf("%d connections to the server for 14 requests of 2 clients, on 2 loops", n)
	}
	w.stop()
	weir.isClean(t)
}

func opened(t *testing.T, weir *host, pool string) (n int) {
	t.Helper()
	for line := range strings.Lines(weir.get("http://127.0.0.1:9180/metrics")) {
		if strings.HasPrefix(line, "weir_server_connections_opened_total{") && strings.Contains(line, `pool="`+pool+`"`) {
			var one int
			fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &one)
			n += one
		}
	}
	if n == 0 {
		t.Error("no metric of the connections opened")
	}
	return n
}
