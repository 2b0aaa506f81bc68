package cli

import (
	"strings"
	"testing"

	"github.com/weir-proxy/weir/control/admin/api"
)

func TestStatusTellsOfTunnelsAndFlows(t *testing.T) {
	var b strings.Builder
	p := &page{out: &b}
	p.layer4(&api.Status{})
	if b.Len() > 0 {
		t.Errorf("of nothing: %q", b.String())
	}
	p.layer4(&api.Status{
		Tunnels: api.Tunnels{Open: 2, Accepted: 5, Reasons: map[string]uint64{"none.finish.done": 2, "server.tunnel.reset": 1}},
		Flows:   api.Flows{Opened: 9, Withheld: 3, Reasons: map[string]uint64{"weir.flow.evicted": 4}},
	})
	for _, want := range []string{"2 connections at layer 4 open, 5 in all", "1       server       tunnel  reset", "0 flows of UDP open, 9 in all", "3 withheld", "4       weir         flow   evicted"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "none") {
		t.Errorf("what went well is among the failures:\n%s", b.String())
	}
}
