package netfilter

import (
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	soak = flag.Bool("soak", false, "fifty times as many changes")
	seed = flag.Uint64("seed", 0, "of random configurations; 0: another one each time")
)

// drawn is what the tables do with a new connection: how many tickets, or slots of a hash, each server has.
type drawn struct {
	kind    string // how the ticket is drawn: "" nobody gets anything, else chance, client, or client and port
	hidden  bool   // servers see this machine
	tickets map[string]int
}

// Random services, changed at random, are read back by nft, a program that weir has no part in, and compared with a plain model of which client comes to which server.
func TestTheKernelHasWhatAModelOfRandomServicesSays(t *testing.T) {
	alone(t)
	command(t, "ip link set lo up && ip link add lan0 type veth peer name lan1 && ip link set lan0 up && ip link set lan1 up")
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	rounds, configurations := 25, 8
	if *soak {
		configurations *= 50
	}
	for n := range configurations {
		w := &world{t: t, random: rand.New(rand.NewPCG(*seed, uint64(n)))}
		f := OpenForwarding(fmt.Sprintf("%s%08x", KeptPrefix, n), "weir.yaml")
		for range w.random.IntN(12) {
			w.add()
		}
		for round := range rounds {
			before := slices.Clone(w.services)
			what := w.change()
			if err := f.Apply(w.services); err != nil {
				t.Fatalf("-seed %d, configuration %d, change %d (%s): %v", *seed, n, round, what, err)
			}
			if w.random.IntN(8) == 0 { // another process takes over; what is not kept is gone in between
				f.Close()
				f = OpenForwarding(fmt.Sprintf("%s%08x", KeptPrefix, n), "weir.yaml")
				if err := f.Apply(w.services); err != nil {
					t.Fatal(err)
				}
			}
			w.hold(readTables(t), before)
			if t.Failed() {
				t.Fatalf("-seed %d, configuration %d, change %d: %s", *seed, n, round, what)
			}
		}
		if err := f.Apply(nil); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if left := command(t, "nft list tables"); left != "" {
			t.Fatalf("-seed %d: at the end there are %s", *seed, left)
		}
	}
}

// world is the services as they should be.
type world struct {
	t        *testing.T
	random   *rand.Rand
	services []Service
	slots    map[string][]string // of services that hash, by name, before the last change
	count    int
}

// change makes one, or a few, of what configurations, health checks and operators do.
func (w *world) change() (what string) {
	if len(w.services) == 0 {
		return w.add()
	}
	i := w.random.IntN(len(w.services))
	s := w.services[i]
	s.Servers = slices.Clone(s.Servers)
	defer func() { w.services = slices.Clone(w.services) }()
	switch w.random.IntN(10) {
	case 0:
		return w.add()
	case 1:
		w.services = slices.Delete(slices.Clone(w.services), i, i+1)
		return "remove " + s.Name
	case 2: // a server of each goes
		for k := range w.services {
			if list := w.services[k].Servers; len(list) > 0 {
				w.services[k].Servers = list[1:]
			}
		}
		return "a server of each is down"
	case 3:
		s.Servers = append(s.Servers, w.server(&s))
		what = "another server"
	case 4:
		if len(s.Servers) > 0 {
			k := w.random.IntN(len(s.Servers))
			s.Servers = slices.Delete(s.Servers, k, k+1)
		}
		what = "one server less"
	case 5:
		if len(s.Servers) > 0 {
			s.Servers[w.random.IntN(len(s.Servers))].Weight = w.weight()
		}
		what = "another weight"
	case 6:
		s.Keep = !s.Keep
		what = "another on_stop"
	case 7:
		s.Hash, s.ByHost = !s.Hash, !s.Hash && w.random.IntN(2) == 0
		what = "another way to choose"
	case 8:
		if s.Direct == "" && !s.Address.IsUnspecified() {
			s.Direct, s.Hide = "lan0", false
		} else {
			s.Direct = ""
		}
		what = "another mode"
	case 9:
		s.Access = w.access()
		what = "another access"
	}
	w.services = slices.Clone(w.services)
	w.services[i] = s
	return what + " of " + s.Name
}

// add adds a service that overlaps no other one of the same address.
func (w *world) add() (what string) {
	for {
		w.count++
		s := Service{Name: fmt.Sprintf("service %d", w.count), UDP: w.random.IntN(3) == 0, Hash: w.random.IntN(2) == 0, Hide: w.random.IntN(4) == 0, Keep: w.random.IntN(3) == 0}
		s.ByHost = s.Hash && w.random.IntN(2) == 0
		addresses := []string{"10.0.0.1", "10.0.0.2", "127.0.0.1", "0.0.0.0", "fd00:1111:2222:3333:4444:5555:6666:7777", "::1", "::"}
		s.Address = netip.MustParseAddr(addresses[w.random.IntN(len(addresses))])
		first := 1 + w.random.IntN([]int{300, 65000}[w.random.IntN(2)]) // many near one another
		s.Ports = PortRange{uint16(first), uint16(min(65535, first+[]int{0, 0, 1, 100, 10000}[w.random.IntN(5)]))}
		if !s.Address.IsUnspecified() && w.random.IntN(4) == 0 {
			s.Direct, s.Hide = "lan0", false
		}
		at := Listen{UDP: s.UDP, IP: s.Address, Ports: s.Ports}
		if slices.ContainsFunc(w.services, func(o Service) bool {
			return o.Address == s.Address && at.Overlaps(Listen{UDP: o.UDP, IP: o.Address, Ports: o.Ports})
		}) {
			continue
		}
		if w.random.IntN(3) == 0 {
			s.Access = w.access()
		}
		for range w.random.IntN(6) {
			s.Servers = append(s.Servers, w.server(&s))
		}
		w.services = append(slices.Clone(w.services), s)
		return "add " + s.Name
	}
}

// access is lists of networks near the clients that hold tries.
func (w *world) access() Access {
	list := func() (list []netip.Prefix) {
		for range w.random.IntN(4) {
			if w.random.IntN(2) == 0 {
				list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 7, 0, byte(w.random.IntN(256))}), []int{0, 8, 24, 28, 30, 31, 32}[w.random.IntN(7)]))
			} else {
				ip := netip.MustParseAddr(fmt.Sprintf("fd07::%x", w.random.IntN(256)))
				list = append(list, netip.PrefixFrom(ip, []int{0, 16, 64, 120, 126, 127, 128}[w.random.IntN(7)]))
			}
		}
		return list
	}
	return Access{list(), list()}
}

// mayUse is what Access means.
func (a *Access) mayUse(client netip.Addr) bool {
	isIn := func(list []netip.Prefix) bool {
		return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(client) })
	}
	return !isIn(a.Deny) && (len(a.Allow) == 0 || isIn(a.Allow))
}

// isGuarded: the kernel lets those clients use the service that may.
func (w *world) isGuarded(tables *tables, s *Service) {
	w.t.Helper()
	for range 8 {
		client := netip.AddrFrom4([4]byte{10, 7, 0, byte(w.random.IntN(256))})
		if s.Address.Is6() {
			client = netip.MustParseAddr(fmt.Sprintf("fd07::%x", w.random.IntN(256)))
		}
		if got, want := tables.mayUse(w.t, s, client), s.Access.mayUse(client); got != want {
			w.t.Errorf("%s, %+v: %v may use it in the kernel: %v, expected %v", s.Name, s.Access, client, got, want)
		}
	}
}

func (w *world) weight() int { return []int{0, 1, 1, 2, 100, 65535}[w.random.IntN(6)] }

// server is one that the service does not have yet.
func (w *world) server(s *Service) Server {
	for {
		n := w.random.IntN(200)
		ip := netip.AddrFrom4([4]byte{10, 1, 0, byte(n)})
		if s.Address.Is6() {
			ip = netip.MustParseAddr(fmt.Sprintf("fd01:1111:2222:3333:4444:5555:6666:%x", n+0x1000))
		}
		a := netip.AddrPortFrom(ip, []uint16{80, 8080, uint16(1 + w.random.IntN(65535))}[w.random.IntN(3)]) // also servers that services share
		if !slices.ContainsFunc(s.Servers, func(o Server) bool { return o.Address.Addr() == ip }) {
			return Server{Name: a.String(), Address: a, Weight: w.weight(), Hardware: [6]byte{2, 0, 0, 0, 0, byte(n)}}
		}
	}
}

// expected is what becomes of a new connection: the service of the address has it, else that of all addresses, if the address is this machine's.
func (w *world) expected(udp bool, to netip.Addr, port uint16) (d drawn, of *Service) {
	for _, wildcard := range []bool{false, true} {
		for i := range w.services {
			s := &w.services[i]
			isMeant := s.Address == to
			if wildcard {
				isMeant = s.Address.IsUnspecified() && s.Address.Is4() == to.Is4() && to.IsLoopback()
			}
			if isMeant && s.UDP == udp && s.Ports.First <= port && port <= s.Ports.Last {
				return w.draw(s), s
			}
		}
	}
	return drawn{}, nil
}

func (w *world) draw(s *Service) drawn {
	d := drawn{kind: "chance", tickets: map[string]int{}}
	if s.Direct != "" {
		d.kind = "client and port"
	}
	if s.Hash {
		d.kind = "client"
	}
	for i := range s.Servers {
		if server := &s.Servers[i]; server.Weight > 0 {
			d.tickets[reached(s, server)] += server.Weight
			d.hidden = s.Hide
		}
	}
	if len(d.tickets) == 0 {
		return drawn{}
	}
	return d
}

// reached is a server in the words of the tables: its address, or its hardware address.
func reached(s *Service, server *Server) string {
	if s.Direct != "" {
		return net.HardwareAddr(server.Hardware[:]).String()
	}
	return server.Address.String()
}

// hold holds the tables against the services; before are those of before the change.
func (w *world) hold(tables *tables, before []Service) {
	w.t.Helper()
	slots := map[string][]string{} // of services that hash, by name
	for i := range w.services {
		s := &w.services[i]
		w.isGuarded(tables, s)
		ports := []uint16{s.Ports.First, s.Ports.Last, s.Ports.First + uint16(w.random.IntN(int(s.Ports.Last-s.Ports.First)+1)), s.Ports.First - 1, s.Ports.Last + 1}
		to := []netip.Addr{s.Address}
		if s.Address.IsUnspecified() {
			to = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}
		}
		for _, a := range to {
			for _, port := range ports {
				want, of := w.expected(s.UDP, a, port)
				got, owners := tables.lookup(w.t, s.UDP, a, port)
				if of != nil && want.kind != "chance" && want.kind != "" {
					slots[of.Name] = owners
					w.isFair(of, got, want)
					got.tickets, want.tickets = nil, nil
				}
				if !reflect.DeepEqual(got, want) {
					w.t.Errorf("udp %v, %v port %d: the kernel has %+v, expected %+v", s.UDP, a, port, got, want)
				}
			}
		}
	}
	w.isStable(slots, before)
	w.slots = slots
	w.hasGroups(slots)
}

// isFair: every slot belongs to a server that is in rotation, and shares follow weights.
func (w *world) isFair(s *Service, got, want drawn) {
	w.t.Helper()
	all, n := 0, 0
	for _, weight := range want.tickets {
		all += weight
	}
	for server, has := range got.tickets {
		if want.tickets[server] == 0 {
			w.t.Errorf("%s: %d slots belong to %s, which is not in rotation", s.Name, has, server)
		}
		n += has
	}
	for server, weight := range want.tickets {
		share := float64(weight) / float64(all) * slots
		if has := float64(got.tickets[server]); math.Abs(has-share) > 6*math.Sqrt(share)+2 {
			w.t.Errorf("%s: %s has %v of %d slots, and its share is %v", s.Name, server, has, slots, share)
		}
	}
	if n != slots {
		w.t.Errorf("%s: %d of %d slots belong to somebody", s.Name, n, slots)
	}
}

// isStable: a slot leaves a server only if the server has gone or weighs less than before, or for one that is new or weighs more.
func (w *world) isStable(now map[string][]string, before []Service) {
	w.t.Helper()
	for i := range before {
		was := &before[i]
		k := slices.IndexFunc(w.services, func(s Service) bool { return s.Name == was.Name })
		if k < 0 || now[was.Name] == nil {
			continue
		}
		is := w.services[k]
		if is.Hash != was.Hash || is.ByHost != was.ByHost || is.Direct != was.Direct {
			continue
		}
		weights := func(s *Service) map[string]int {
			all := map[string]int{}
			for i := range s.Servers {
				all[reached(s, &s.Servers[i])] = s.Servers[i].Weight
			}
			return all
		}
		old, new := weights(was), weights(&is)
		for slot, from := range w.slots[was.Name] {
			to := now[was.Name][slot]
			if from != to && new[from] >= old[from] && new[to] <= old[to] {
				w.t.Errorf("%s: slot %d went from %s to %s without a reason", was.Name, slot, from, to)
			}
		}
	}
}

// hasGroups: services of a persistence group with the same hosts and weights send a client to the same host.
func (w *world) hasGroups(now map[string][]string) {
	w.t.Helper()
	hosts := func(s *Service) string {
		var all []string
		for i := range s.Servers {
			all = append(all, fmt.Sprint(s.Servers[i].Address.Addr(), s.Servers[i].Weight))
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	by := map[string][]string{}
	for i := range w.services {
		s := &w.services[i]
		owners := now[s.Name]
		if !s.ByHost || s.Direct != "" || owners == nil {
			continue
		}
		list := make([]string, len(owners))
		for slot, owner := range owners {
			list[slot] = netip.MustParseAddrPort(owner).Addr().String()
		}
		if other := by[hosts(s)]; other != nil && !slices.Equal(other, list) {
			w.t.Errorf("%s: another host for a client than another service of the same hosts", s.Name)
		}
		by[hosts(s)] = list
	}
}

// Real connections go where the model says: to a server in rotation of their service, and with a hash always to the same one as long as that is there.
func TestConnectionsGoWhereAModelSays(t *testing.T) {
	alone(t)
	command(t, "ip link set lo up")
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	random := rand.New(rand.NewPCG(*seed, 1))
	var all []Server
	for i := range 6 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		a := l.Addr().(*net.TCPAddr).AddrPort()
		all = append(all, Server{Name: a.String(), Address: a, Weight: 1 + i})
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Write([]byte(a.String()))
				c.Close()
			}
		}()
	}
	services := []Service{
		{Name: "chance", Address: netip.MustParseAddr("127.0.0.1"), Ports: PortRange{100, 199}},
		{Name: "hash", Address: netip.MustParseAddr("127.0.0.1"), Ports: PortRange{200, 299}, Hash: true},
		{Name: "all", Address: netip.IPv4Unspecified(), Ports: PortRange{100, 399}, Hash: true},
	}
	f := OpenForwarding(KeptPrefix+"000000aa", "weir.yaml")
	defer f.Close()
	rounds := 30
	if *soak {
		rounds *= 50
	}
	last := map[string]string{} // which server a client of a hash came to
	for round := range rounds {
		for i := range services {
			s := &services[i]
			s.Servers, s.Keep = nil, random.IntN(2) == 0
			for _, server := range all {
				if random.IntN(3) > 0 {
					s.Servers = append(s.Servers, server)
				}
			}
			if random.IntN(5) == 0 {
				s.Servers = nil
			}
		}
		if err := f.Apply(services); err != nil {
			t.Fatal(err)
		}
		for range 25 {
			client := netip.AddrFrom4([4]byte{127, 1, 0, byte(1 + random.IntN(20))})
			to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + random.IntN(2))}), uint16(100+random.IntN(300)))
			s := &services[2]
			if to.Addr() == services[0].Address && to.Port() < 300 {
				s = &services[to.Port()/100-1]
			}
			server := asked(client, to)
			isThere := func(name string) bool {
				return slices.ContainsFunc(s.Servers, func(o Server) bool { return o.Name == name })
			}
			key := s.Name + " " + client.String()
			switch {
			case len(s.Servers) == 0:
				if server != "" {
					t.Fatalf("-seed %d, round %d: %v to %v came to %s, and %s has no server", *seed, round, client, to, server, s.Name)
				}
				continue
			case !isThere(server):
				t.Fatalf("-seed %d, round %d: %v to %v (%s) came to %q", *seed, round, client, to, s.Name, server)
			case s.Hash && server != last[key+strings.Join(names(s), " ")] && last[key+strings.Join(names(s), " ")] != "":
				t.Fatalf("-seed %d, round %d: %v to %v (%s) came to %s, and to %s before", *seed, round, client, to, s.Name, server, last[key+strings.Join(names(s), " ")])
			}
			last[key+strings.Join(names(s), " ")] = server
		}
	}
}

func names(s *Service) (list []string) {
	for i := range s.Servers {
		list = append(list, s.Servers[i].Name)
	}
	return list
}

// asked is the server that answers; "" if the connection is refused.
func asked(client netip.Addr, to netip.AddrPort) string {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: client.AsSlice()}, Timeout: 5 * time.Second}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		return ""
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	text, _ := io.ReadAll(c)
	return string(text)
}
