package netfilter

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// tables is what nft has read.
type tables struct {
	names []string
	maps  map[string][][2]any  // by table and map
	draws map[string][2]string // by table and chain: what is drawn, and the map that it is looked up in
	sets  map[string][]any
	only  map[string]string   // by table and chain: the set of those who may use the service, where there is one
	ends  map[string][]string // by table and chain: the rules of those that refuse
}

// readTables reads elements as JSON, and rules as text: nft 1.0.6 breaks off JSON at a table that has an owner.
func readTables(t *testing.T) *tables {
	t.Helper()
	r := &tables{maps: map[string][][2]any{}, draws: map[string][2]string{}, sets: map[string][]any{}, only: map[string]string{}, ends: map[string][]string{}}
	for _, kind := range []string{"map", "set"} {
		var all struct {
			NFTables []map[string]struct {
				Name, Table string
				Elem        json.RawMessage
			}
		}
		if out := command(t, "nft -j list "+kind+"s"); json.Unmarshal([]byte(out), &all) != nil {
			t.Fatalf("nft list %ss: %.300s", kind, out)
		}
		for _, one := range all.NFTables {
			o, is := one[kind]
			switch at := o.Table + " " + o.Name; {
			case !is || len(o.Elem) == 0:
			case kind == "map":
				var list [][2]any
				if err := json.Unmarshal(o.Elem, &list); err != nil {
					t.Fatal(err)
				}
				r.maps[at] = list
			default:
				var list []any
				if err := json.Unmarshal(o.Elem, &list); err != nil {
					t.Fatal(err)
				}
				r.sets[at] = list
			}
		}
	}
	draw := regexp.MustCompile(`(numgen random|jhash .*?) mod .*?map @(\w+)`)
	only := regexp.MustCompile(`^(?:meta (?:nfproto|protocol) \S+ )?(?:ip|ip6) saddr != @(\S+) goto (r\w+) `)
	table, chain := "", ""
	for line := range strings.Lines(command(t, "nft list ruleset")) {
		words := strings.Fields(line)
		switch {
		case len(words) > 2 && words[0] == "table":
			table = words[2]
			r.names = append(r.names, table)
		case len(words) > 1 && words[0] == "chain":
			chain = words[1]
		default:
			if m := draw.FindStringSubmatch(line); m != nil {
				r.draws[table+" "+chain] = [2]string{m[1], m[2]}
			}
			if m := only.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
				r.only[table+" "+chain] = m[1] + " " + m[2]
			}
			if strings.HasPrefix(chain, "r") && len(words) > 1 {
				r.ends[table+" "+chain] = append(r.ends[table+" "+chain], strings.TrimSpace(line))
			}
		}
	}
	return r
}

// lookup is what becomes of a new connection, as the rules say; owners are the servers of a hash's slots.
func (r *tables) lookup(t *testing.T, udp bool, to netip.Addr, port uint16) (d drawn, owners []string) {
	t.Helper()
	for _, isWildcard := range []bool{false, true} {
		found := 0
		for _, table := range r.names {
			chain := r.service(table, udp, to, port, isWildcard)
			if chain == "" {
				continue
			}
			if found++; r.draws[table+" "+chain][0] != "" {
				d, owners = r.draw(table, r.draws[table+" "+chain])
				d.hidden = d.hidden && r.hides(table, udp, to, port)
			}
		}
		if found > 1 {
			t.Errorf("%v port %d: %d tables have it", to, port, found)
		}
		if found > 0 {
			break
		}
	}
	return d, owners
}

// hides reports whether the table has servers of this address and port see this machine, if they are among those of which any does.
func (r *tables) hides(table string, udp bool, to netip.Addr, port uint16) bool {
	suffix, protocol := "4", "tcp"
	if to.Is6() {
		suffix = "6"
	}
	if udp {
		protocol = "udp"
	}
	has := func(set string) bool {
		return slices.ContainsFunc(r.sets[table+" "+set+suffix], func(e any) bool {
			key := e.(map[string]any)["concat"].([]any)
			last := key[len(key)-1]
			ports, isRange := last.(map[string]any)
			isPort := last == float64(port)
			if isRange {
				limits := ports["range"].([]any)
				isPort = float64(port) >= limits[0].(float64) && float64(port) <= limits[1].(float64)
			}
			return key[0] == protocol && isPort && (len(key) == 2 || netip.MustParseAddr(key[1].(string)) == to)
		})
	}
	return has(hidingSet) || !has(exposingSet) && has(hidingPortsSet)
}

// service is the chain of the service of the address, or of that of all addresses, which rules ask for later.
func (r *tables) service(table string, udp bool, to netip.Addr, port uint16, isWildcard bool) string {
	protocol, suffix := "tcp", "4"
	if udp {
		protocol = "udp"
	}
	if to.Is6() {
		suffix = "6"
	}
	isPort := func(v any) bool {
		if m, is := v.(map[string]any); is {
			limits := m["range"].([]any)
			return float64(port) >= limits[0].(float64) && float64(port) <= limits[1].(float64)
		}
		return v.(float64) == float64(port)
	}
	target := func(e [2]any) string { return e[1].(map[string]any)["goto"].(map[string]any)["target"].(string) }
	for _, e := range r.maps[table+" services"+suffix] {
		if isWildcard {
			break
		}
		if key := e[0].(map[string]any)["concat"].([]any); key[0] == protocol && netip.MustParseAddr(key[1].(string)) == to && isPort(key[2]) {
			return target(e)
		}
	}
	for _, e := range r.maps[table+" ports"+suffix] {
		if key := e[0].(map[string]any)["concat"].([]any); isWildcard && to.IsLoopback() && key[0] == protocol && isPort(key[1]) {
			return target(e)
		}
	}
	return ""
}

func (r *tables) draw(table string, how [2]string) (d drawn, owners []string) {
	d = drawn{kind: "chance", tickets: map[string]int{}}
	if strings.HasPrefix(how[0], "jhash") {
		d.kind, owners = "client", make([]string, slots)
		if strings.Contains(how[0], " . ") {
			d.kind = "client and port"
		}
	}
	for _, e := range r.maps[table+" "+how[1]] {
		server := r.server(table, e[1])
		switch k := e[0].(type) {
		case float64:
			d.tickets[server]++
			if owners != nil { // nft shows marks in the other byte order here
				owners[byteSwapped(uint32(k))] = server
			}
		case map[string]any:
			if limits, is := k["range"].([]any); is {
				d.tickets[server] += int(limits[1].(float64)-limits[0].(float64)) + 1
			} else {
				prefix := k["prefix"].(map[string]any)
				d.tickets[server] += 1 << (32 - int(prefix["len"].(float64)))
			}
		}
		for _, suffix := range []string{"4", "6"} {
			for _, hidden := range r.sets[table+" hidden"+suffix] {
				list := hidden.(map[string]any)["concat"].([]any)
				d.hidden = d.hidden || addressOf(list[1:]) == server
			}
		}
	}
	return d, owners
}

func byteSwapped(n uint32) uint32 { return n>>24 | n>>8&0xff00 | n<<8&0xff0000 | n<<24 }

// server is that of a map's element: an address with its port, or a hardware address by way of an id.
func (r *tables) server(table string, v any) string {
	if m, is := v.(map[string]any); is {
		return addressOf(m["concat"].([]any))
	}
	for _, e := range r.maps[table+" hardware"] {
		if e[0] == v {
			return e[1].(string)
		}
	}
	return "nobody"
}

func addressOf(list []any) string {
	return netip.AddrPortFrom(netip.MustParseAddr(list[0].(string)), uint16(list[1].(float64))).String()
}

// mayUse reports whether a client's first packet gets past the service's access.
func (r *tables) mayUse(t *testing.T, s *Service, client netip.Addr) bool {
	t.Helper()
	chain := "s" + hashOf(s.Name)
	for _, table := range r.names {
		how, is := r.only[table+" "+chain]
		if !is {
			continue
		}
		set, refuse, _ := strings.Cut(how, " ")
		verdict := "reject with tcp reset"
		if s.UDP {
			verdict = "drop"
		}
		if ends := r.ends[table+" "+refuse]; len(ends) != 1 || !strings.Contains(ends[0], "counter packets 0 bytes 0 "+verdict) {
			t.Errorf("%s is refused by %q", s.Name, ends)
		}
		for _, e := range r.sets[table+" "+set] {
			if elementHas(t, e, client) {
				return true
			}
		}
		return false
	}
	return true
}

// elementHas reports whether an element of nft's, an address, a prefix or a range, has the address.
func elementHas(t *testing.T, e any, client netip.Addr) bool {
	t.Helper()
	switch e := e.(type) {
	case string:
		return netip.MustParseAddr(e) == client
	case map[string]any:
		if p, is := e["prefix"].(map[string]any); is {
			return netip.PrefixFrom(netip.MustParseAddr(p["addr"].(string)), int(p["len"].(float64))).Contains(client)
		}
		if limits, is := e["range"].([]any); is {
			return !client.Less(netip.MustParseAddr(limits[0].(string))) && !netip.MustParseAddr(limits[1].(string)).Less(client)
		}
	}
	t.Fatalf("nft shows an element as %v", e)
	return false
}
