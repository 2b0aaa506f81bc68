package explain

import (
	"strings"
	"testing"

	"github.com/weir-proxy/weir/control/config"
)

func TestConnectionsAreExplained(t *testing.T) {
	cfg, problems := config.Parse("weir.yaml", []byte(`
listeners:
  db: { address: ":3306", protocol: tcp, pool: db, proxy_protocol: { from: [10.0.0.0/8] } }
  names: { address: ":53", protocol: udp, pool: db, udp: { replies: 1 } }
  sni: { address: ":8443", protocol: tls, tls: { certificates: [site.pem] }, sites: { a.example.com: { pool: db, alpn: { h2: other } }, "*.example.com": other, www.example.com: terminate } }
  nat: { address: ":9000-9009", protocol: tcp, pool: nat, allow: [192.0.2.0/24] }
  direct: { address: "10.9.0.1:5353", protocol: udp, pool: direct }
pools:
  nat: { servers: ["10.2.0.2:9000", { address: "10.2.0.3:9000", weight: 3 }], mode: nat }
  direct: { servers: [10.2.0.2:5353], mode: direct, interface: eth1, on_stop: keep, balance: { hash: { on: client_ip } } }
  db: { servers: [10.0.0.1:3306, 10.0.0.2:3306], balance: { hash: { on: client_ip } }, persistence: { on: client_ip }, limits: { connections: 5 } }
  other: { servers: 10.0.0.3:443, proxy_protocol: v2, timeouts: { lifetime: 1h } }
sites: { "*": { respond: { body: x } } }
`))
	if len(problems.Errors()) > 0 {
		t.Fatal(problems)
	}
	w, problems := Offline(cfg)
	if w == nil {
		t.Fatal(problems)
	}
	for url, want := range map[string][]string{
		"tcp://db:3306":                  {"tcp://db:3306 from 192.0.2.1", "takes port 3306", "must come, from proxies in [10.0.0.0/8]", "pool db answers: hash on client_ip among 10.0.0.1:3306, 10.0.0.2:3306, at most 3 attempts", "persistence", "queue"},
		"udp://names:53":                 {"takes port 53", "1 replies to each datagram", "at most 1 attempts"},
		"tls://a.example.com:8443":       {"site", "a.example.com", "pool db"},
		"tls://a.example.com:8443/h2":    {"alpn", "pool other answers", "v2, in front", "1h at most"},
		"tls://b.example.com:8443":       {"*.example.com", "pool other answers"},
		"tls://www.example.com:8443":     {"terminate", "as with https://www.example.com:8443"},
		"tls://elsewhere.org:8443":       {"nobody answers: weir.match.no_site", "no site of the listener takes the name elsewhere.org"},
		"https://www.example.com:8443/x": {"sni", "takes port 8443, and terminates TLS for this name", "GET https://www.example.com/x", "weir answers 200"},
		"https://a.example.com:8443/x":   {"tls://a.example.com:8443", "pool db"},
		"TCP://db:3306":                  {"pool db answers"},
		"tcp://nat:9003":                 {"the kernel chooses a server of pool nat by weight and chance: 10.2.0.2", "the kernel allows clients in [192.0.2.0/24]", "servers see the client's address"},
		"udp://10.9.0.1:53000":           {"nobody answers"},
		"udp://direct:5353":              {"the kernel chooses a server of pool direct by weight and a hash of the client's address: 10.2.0.2", "by eth1", "the kernel goes on without weir"},
		"tcp://db:3307":                  {"nobody answers: no listener", "no listener with protocol tcp takes port 3307"},
	} {
		a, err := w.Explain(&Request{URL: url})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		var b strings.Builder
		a.Write(&b)
		for _, text := range want {
			if !strings.Contains(b.String(), text) {
				t.Errorf("%s: no %q in\n%s", url, text, b.String())
			}
		}
	}
	if a, _ := w.Explain(&Request{URL: "tcp://nat:9003"}); a != nil {
		var b strings.Builder
		if a.Write(&b); strings.Contains(b.String(), "attempts") || strings.Contains(b.String(), "timeouts.tunnel") || strings.Contains(b.String(), "least_latency") {
			t.Errorf("what the kernel carries is explained as if weir did:\n%s", b.String())
		}
	}
	if _, err := w.Explain(&Request{URL: "tcp://db"}); err == nil {
		t.Error("a connection without a port is explained")
	}
}
