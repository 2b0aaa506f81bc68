package netfilter

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestSlotsGoByWeightAndOnlyTheLeaversMove(t *testing.T) {
	s := &Service{Hash: true}
	for i, weight := range []int{1, 1, 2, 4, 0} {
		s.Servers = append(s.Servers, Server{Name: fmt.Sprintf("10.0.0.%d:80", i), Weight: weight})
	}
	owner := s.owners()
	count := map[string]int{}
	for _, i := range owner {
		count[s.Servers[i].Name]++
	}
	for _, server := range s.Servers {
		if want := slots * server.Weight / 8; count[server.Name] < want*6/10 || count[server.Name] > want*15/10 {
			t.Errorf("%s has %d slots, want about %d", server.Name, count[server.Name], want)
		}
	}
	gone := s.Servers[2].Name
	left := &Service{Hash: true, Servers: append(append([]Server{}, s.Servers[:2]...), s.Servers[3:]...)}
	for slot, i := range left.owners() {
		if before := s.Servers[owner[slot]].Name; before != gone && before != left.Servers[i].Name {
			t.Fatalf("slot %d moved from %s to %s, and neither is gone", slot, before, left.Servers[i].Name)
		}
	}
}

// Services of one persistence group have servers on the same hosts, with other ports: a client has to come to one host.
func TestSlotsByHostAreTheSameForOtherPorts(t *testing.T) {
	service := func(port uint16) *Service {
		s := &Service{Hash: true, ByHost: true}
		for i := range 5 {
			a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), port)
			s.Servers = append(s.Servers, Server{Name: a.String(), Address: a, Weight: 1 + i})
		}
		return s
	}
	if a, b := service(80).owners(), service(443).owners(); a != b {
		t.Error("other ports, other hosts")
	}
}

func TestSharesCoverTheDraw(t *testing.T) {
	for _, hash := range []bool{false, true} {
		s := &Service{Hash: hash, Servers: []Server{{Name: "a", Weight: 65535}, {Name: "b"}, {Name: "c", Weight: 1}, {Name: "d", Weight: 65535}}}
		list := s.shares()
		last := uint32(0)
		for _, one := range list {
			if one.end <= last || s.Servers[one.server].Weight == 0 {
				t.Errorf("%v", list)
			}
			last = one.end
		}
		if want := map[bool]uint32{true: slots, false: 131071}[hash]; last != want {
			t.Errorf("hash %v: the shares end at %d of %d", hash, last, want)
		}
	}
}
