package snapshot

import (
	"testing"

	"github.com/weir-proxy/weir/control/config"
)

// A server's port 443 turns TLS on for requests. What is carried as it comes must not get a second one around it, or none where it was asked for.
func TestWhatIsCarriedAsItComesGetsNoTLS(t *testing.T) {
	for text, want := range map[string]bool{
		`{ listeners: { a: { address: ":1", protocol: tls, pool: p } }, pools: { p: { servers: 10.0.0.1:443 } } }`:                            false,
		`{ listeners: { a: { address: ":1", protocol: tcp, pool: p } }, pools: { p: { servers: 10.0.0.1:443 } } }`:                            false,
		`{ listeners: { a: { address: ":1", protocol: tcp, pool: p } }, pools: { p: { servers: 10.0.0.1:443, tls: on } } }`:                   true,
		`{ listeners: { a: { address: ":1", protocol: tcp, pool: p } }, pools: { p: { servers: "https://10.0.0.1:444" } } }`:                  true,
		`{ listeners: { a: { address: ":1", protocol: ftp, pool: p } }, pools: { p: { servers: 10.0.0.1:21, tls: on } } }`:                    false, // it is asked for by AUTH
		`{ listeners: { a: { address: ":1", protocol: tls, sites: { x: p } } }, pools: { p: { servers: 10.0.0.1:443 } }, sites: { "*": p } }`: false,
	} {
		cfg, problems := config.Parse("weir.yaml", []byte(text))
		if len(problems.Errors()) > 0 {
			if want { // "https://10.0.0.1:444" has no port
				continue
			}
			t.Fatal(text, problems)
		}
		s, problems := Build(cfg, nil, 1)
		if len(problems.Errors()) > 0 {
			t.Fatal(text, problems)
		}
		setup := s.Listeners[0].Setup.Tunnel
		way := setup.Way
		if way == nil {
			way = setup.Ways["x"].Way
		}
		if c := way.To.Transport; (c.OpaqueTLS != nil) != want || !want && c.TLS != nil {
			t.Errorf("%s: TLS %v, want %v", text, c.OpaqueTLS != nil, want)
		}
	}
}
