package accesslog

import (
	"net/netip"
	"strings"
	"testing"
)

// Both ends of both connections are in the log, in every format that has them, and what is not known is left out.
func TestPortsOfBothConnectionsAreLogged(t *testing.T) {
	written := Record{At: 1, Client: netip.MustParseAddr("10.0.0.1"), Peer: netip.MustParseAddr("10.0.0.1"), PeerPort: 50123, OwnPort: 40456}
	var r Record
	r.parse(written.Append(nil))
	template, err := ParseTemplate("{client}:{peer_port} {own_port}")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(template(nil, &r)); got != "10.0.0.1:50123 40456\n" {
		t.Errorf("%q", got)
	}
	if got := string(appendJSON(nil, &r)); !strings.Contains(got, `"peer_port":50123,"own_port":40456`) {
		t.Error(got)
	}
	if got := string(appendJSON(nil, &Record{At: 1})); strings.Contains(got, "port") {
		t.Error(got)
	}
}
