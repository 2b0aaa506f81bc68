package faults

import (
	"fmt"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

const wantsPROXY = `
global
    log stderr local0 emerg
defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend proxied
    bind %s accept-proxy
    http-request return status 200
frontend only_http2
    bind %s proto h2
    http-request return status 200
frontend from_source
    bind %s
    http-request deny unless { src 127.0.0.9 }
    http-request return status 200
`

// Servers that take only what traffic brings (the PROXY header, HTTP/2 with prior knowledge, an own address) are well, and answer.
func TestChecksTakeTheWayOfTraffic(t *testing.T) {
	addresses, err := peers.FreeAddresses(3)
	if err != nil {
		t.Fatal(err)
	}
	p, err := peers.HAProxy(t.TempDir(), fmt.Sprintf(wantsPROXY, addresses[0], addresses[1], addresses[2]), addresses...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop() })
	s := start(t, fmt.Sprintf(`
listeners: { front: "FRONT" }
health_checks: { quick: { path: /, every: 100ms, rise: 1, fall: 1 } }
pools:
  v1: { servers: [%[1]q], proxy_protocol: v1, health: quick, eject: off }
  v2: { servers: [%[1]q], proxy_protocol: v2, health: quick, eject: off }
  h2: { servers: [%[2]q], protocol: h2c, health: quick, eject: off }
  source: { servers: [%[3]q], source: [127.0.0.9], health: quick, eject: off }
sites: { "*": { /v1: v1, /v2: v2, /h2: h2, /source: source } }
admin: "ADMIN"
logs: { access: off }
`, addresses[0], addresses[1], addresses[2]))
	states := map[string]string{}
	within(t, 5*time.Second, "a verdict on all servers", func() bool {
		known := 0
		for _, p := range s.status().Pools {
			states[p.Name] = p.Servers[0].Health
			if p.Servers[0].Health != "unknown" {
				known++
			}
		}
		return known == 4
	})
	for _, pool := range []string{"v1", "v2", "h2", "source"} {
		answer, _, err := dial(t, s.address["FRONT"]).do("GET", "/"+pool, "")
		if err != nil || states[pool] != "up" || answer.StatusCode != 200 {
			t.Errorf("%s: the server is %s, and answers %v %v", pool, states[pool], answer, err)
		}
	}
}
