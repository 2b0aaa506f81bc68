package flow

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/wire/proxyproto"
)

// unwrapping answers with what the PROXY header in front of a datagram says, and what is behind it.
func unwrapping(_ netip.AddrPort, b []byte) [][]byte {
	h, n, err := proxyproto.Parse(b)
	return [][]byte{fmt.Appendf(nil, "%d %t %v %v %v %q", h.Version, h.IsDatagram, h.Source, h.Destination, err, b[n:])}
}

// proxied is a datagram behind a header.
func proxied(from, to, text string) string {
	h := proxyproto.Header{Source: netip.MustParseAddrPort(from), Destination: netip.MustParseAddrPort(to), IsDatagram: true}
	return string(proxyproto.AppendV2(nil, &h)) + text
}

func TestServersAreToldOfTheClientInFrontOfEachDatagram(t *testing.T) {
	both(t, []serverFunc{unwrapping}, func(_ *pool.Config, s *Setup) { s.To.Proxy = 2 }, func(w *world) {
		c := w.dial()
		for _, text := range []string{"one", "two", strings.Repeat("x", 1200), ""} {
			want := fmt.Sprintf("2 true %v %v <nil> %q", c.LocalAddr(), w.address, text)
			if got := w.ask(c, text); got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		}
		// Many of one size arrive as one packet, and leave as one.
		for i := range 50 {
			fmt.Fprintf(c, "%04d", i)
		}
		for i := range 50 {
			want := fmt.Sprintf("2 true %v %v <nil> \"%04d\"", c.LocalAddr(), w.address, i)
			if got := w.hear(c, 1e9); got != want {
				t.Fatalf("%s\nwant %s", got, want)
			}
		}
	})
}

func TestProxiesInFrontTellWhoTheClientIs(t *testing.T) {
	change := func(_ *pool.Config, s *Setup) {
		s.To.Proxy = 2
		s.Proxies = filter.NewNetworks([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})
		s.Access = &filter.Access{Allow: filter.NewNetworks([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")})}
	}
	both(t, []serverFunc{unwrapping}, change, func(w *world) {
		c := w.dial()
		for _, from := range []string{"192.0.2.1:1000", "192.0.2.2:1000", "[2001:db8::1]:53", "192.0.2.1:1001"} {
			to := "192.0.2.99:53"
			if strings.HasPrefix(from, "[") {
				to = "[2001:db8::99]:53"
			}
			want := fmt.Sprintf("2 true %s %s <nil> %q", from, to, "hello")
			if got := w.ask(c, proxied(from, to, "hello")); got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		}
		local := proxyproto.Header{IsLocal: true, IsDatagram: true}
		want := fmt.Sprintf("2 true %v %v <nil> %q", c.LocalAddr(), w.address, "own")
		if got := w.ask(c, string(proxyproto.AppendV2(nil, &local))+"own"); got != want {
			t.Errorf("the proxy's own: %s\nwant %s", got, want)
		}
		for _, wrong := range []string{"no header", proxied("192.0.2.1:1", "192.0.2.2:2", "")[:20], "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\nx", proxied("198.51.100.1:1", "192.0.2.2:2", "denied")} {
			c.Write([]byte(wrong))
		}
		eventually(t, "refused", func() bool {
			s := w.stats()
			return s.Reasons[reason.ProxyMalformed] == 3 && s.Reasons[reason.Refused] == 1
		})
		if got := w.ask(c, proxied("192.0.2.1:1000", "192.0.2.99:53", "again")); !strings.HasSuffix(got, `"again"`) {
			t.Errorf("after wrong ones: %q", got)
		}
		if n := w.stats().Open; n != 5 {
			t.Errorf("%d flows, want one for each client", n)
		}
	})
}

// Clients of two proxies, and one that comes by itself, are three, whatever address they have.
func TestOneAddressBehindTwoProxiesIsTwoClients(t *testing.T) {
	change := func(_ *pool.Config, s *Setup) {
		s.Proxies = filter.NewNetworks([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})
	}
	both(t, []serverFunc{echo}, change, func(w *world) {
		direct, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 9)}, w.address)
		if err != nil {
			t.Fatal(err)
		}
		defer direct.Close()
		address := direct.LocalAddr().String()
		one, two := w.dial(), w.dial()
		for i := range 20 {
			for name, c := range map[string]*net.UDPConn{"direct": direct, "one": one, "two": two} {
				text := fmt.Sprintf("%s %d", name, i)
				sent := text
				if c != direct {
					sent = proxied(address, "192.0.2.99:53", text)
				}
				if got := w.ask(c, sent); got != text {
					t.Fatalf("%s got %q, want %q", name, got, text)
				}
			}
		}
		if n := w.stats().Open; n != 3 {
			t.Errorf("%d flows", n)
		}
	})
}
