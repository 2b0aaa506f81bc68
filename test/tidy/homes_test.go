package tidy

import (
	"slices"
	"strings"
	"testing"
)

// home says where something of the outside world may be imported.
type home struct {
	what string // an import path, and all below it
	in   []string
	why  string
}

// homes: a library that is imported in one place can be replaced in one place. What is not of the standard library and has no row here is
// not imported at all; a new one needs a row and a decision in docs/decisions/.
var homes = []home{
	{"github.com/goccy/go-yaml", []string{"control/config"}, "only the reader of weir.yaml knows what YAML is"},
	{"github.com/spf13/cobra", []string{"console/cli", "cmd/weir"}, "the command line"},
	{"github.com/prometheus", []string{"control/admin"}, "the rest counts in plain fields and knows no exporter"},
	{"github.com/miekg/dns", []string{"traffic/pool/resolve", "control/certs/acme"}, "the resolver asks, dynamic updates write"},
	{"github.com/caddyserver/certmagic", []string{"control/certs/acme"}, "who else wants certificates asks control/certs"},
	{"github.com/mholt/acmez", []string{"control/certs/acme"}, "certmagic's words for ACME"},
	{"github.com/libdns/libdns", []string{"control/certs/acme"}, "certmagic's words for DNS providers"},
	{"golang.org/x/crypto", []string{"control/certs", "control/certs/ech"}, "OCSP; cryptobyte, by which crypto/tls writes its messages too"},
	{"github.com/smallstep/truststore", []string{"cmd/weir"}, "the trust stores of systems and browsers"},
	{"go.uber.org/zap", []string{"control/certs/acme"}, "certmagic's logger, put on ours"},
	{"github.com/gaissmai/bart", []string{"traffic/filter"}, "sets of networks are filter.Networks for all others"},
	{"github.com/cespare/xxhash", []string{"traffic/persistence"}, "HAProxy's dynamic cookies are made with it"},
	{"github.com/google/nftables", []string{"kernel/netfilter"}, "weir's own table"},
	{"github.com/vishvananda/netlink", []string{"kernel/routing", "kernel/doctor", "test/peers"}, "rules, routes; the link with a delay"},
	{"github.com/vishvananda/netns", []string{"test/peers"}, "the link with a delay ends in a namespace"},
	{"crypto/tls", []string{"wire/tls", "control/certs", "control/certs/acme", "control/certs/authority", "control/certs/ech", "control/textfile", "test/bench", "control/snapshot", "traffic/listener",
		"traffic/filter", "traffic/pool/health", "traffic/quic"},
		"wire/tls speaks it; the others hold its configuration"},
	{"net/http", []string{"control/admin", "control/admin/client", "control/certs", "control/certs/acme", "traffic/pool/health", "cmd/weir", "test/bench", "test/peers"},
		"for weir's own conversations off the loops; requests in traffic go through wire/, or they would cost ten times as much"},
	{"github.com/quic-go/quic-go", []string{"traffic/quic", "traffic/listener", "traffic/pool/health", "test/bench"},
		"connections and streams, sockets of listeners, checks on goroutines of their own; load"},
	{"github.com/quic-go/qpack", []string{"wire/http3"}, "the decoder of heads"},
	{"golang.org/x/net/ipv4", []string{"traffic/listener"}, "packets in batches, in quic-go's own words for them"},
	{"golang.org/x/net/ipv6", []string{"traffic/listener"}, "the own address of a datagram, as a socket of both families says it"},
	{"golang.org/x/net/http2/hpack", []string{"traffic/stream"}, "what a peer's tables hold is a connection's state"},
	{"golang.org/x/net/http2", []string{"traffic/pool/health"}, "health checks ask on goroutines of their own; requests in traffic go through traffic/stream"},
	{"golang.org/x/sys/unix", []string{"engine", "control/systemd", "control/confine", "kernel/netfilter", "kernel/routing", "kernel/doctor", "test/peers"}, "system calls that package syscall does not have"},
	{"encoding/json", []string{"control/admin", "control/lifecycle", "control/certs/acme", "control/handover", "control/admin/client", "control/config/reference", "console/cli", "cmd/weir", "test/bench"},
		"it allocates and reflects, so the access log writes its own"},
	{"unsafe", []string{"engine", "control/confine", "test/bench"}, "raw system calls"},
	{"os/exec", []string{"test/bench", "test/peers", "traffic/pool/health", "control/certs/acme"}, "weir starts no programs but those of the operator's own"},
}

func TestTheOutsideWorldHasHomes(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range p.files {
			if f.isTest() {
				continue
			}
			for _, i := range f.imports() {
				if h := homeOf(i); h != nil && !slices.Contains(h.in, p.path) {
					t.Errorf("%s: imports %s, whose home is %s: %s", f.name, i, strings.Join(h.in, ", "), h.why)
				} else if h == nil && strings.Contains(strings.Split(i, "/")[0], ".") {
					t.Errorf("%s: imports %s, which has no home in test/tidy/homes_test.go", f.name, i)
				}
			}
		}
	}
}

func homeOf(path string) *home {
	for i := range homes {
		if path == homes[i].what || strings.HasPrefix(path, homes[i].what+"/") {
			return &homes[i]
		}
	}
	return nil
}

// A home that nobody lives in any more is a permission that nobody looked at.
func TestHomesAreLivedIn(t *testing.T) {
	lived := map[string]bool{}
	for _, p := range packages(t) {
		for _, f := range p.files {
			for _, i := range f.imports() {
				if h := homeOf(i); h != nil && !f.isTest() {
					lived[h.what+" in "+p.path] = true
				}
			}
		}
	}
	for _, h := range homes {
		for _, in := range h.in {
			if !lived[h.what+" in "+in] {
				t.Errorf("%s does not import %s: take it out of the table", in, h.what)
			}
		}
	}
}
