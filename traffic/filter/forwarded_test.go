package filter

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

func fieldsOf(t *testing.T, lines string) *message.Fields {
	t.Helper()
	var r message.Request
	if n, fault := http1.ParseRequest([]byte("GET / HTTP/1.1\r\nHost: a\r\n"+lines+"\r\n"), &r, nil); n == 0 {
		t.Fatal(fault)
	}
	return &r.Fields
}

func TestClientIsTheLastThatATrustedProxyHasSeen(t *testing.T) {
	trusted := NewNetworks([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")})
	for _, c := range []struct {
		source            Source
		peer, lines, want string // the client, then scheme, host and port if they are told
	}{
		{SourceX, "192.0.2.1", "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\n", "192.0.2.1"},
		{SourceX, "10.0.0.1", "", "10.0.0.1"},
		{SourceX, "10.0.0.1", "X-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"},
		{SourceX, "10.0.0.1", "X-Forwarded-For: 6.6.6.6, 1.1.1.1, 10.0.0.2\r\n", "1.1.1.1"},
		{SourceX, "10.0.0.1", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"},
		{SourceX, "10.0.0.1", "X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", "10.0.0.3"},
		{SourceX, "10.0.0.1", "X-Forwarded-For: 1.1.1.1, nonsense\r\n", "10.0.0.1"},
		{SourceX, "10.0.0.1", "X-Forwarded-For: ::ffff:1.1.1.1\r\n", "1.1.1.1"},
		{SourceX, "10.0.0.1", "X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1"},
		{SourceX, "10.0.0.1", "X-Forwarded-For: 1.1.1.1:99\r\n", "1.1.1.1"},
		{SourceX, "10.0.0.1", "X-Forwarded-For: 6.6.6.6, [2001:db8::1]:99\r\n", "2001:db8::1"},
		{SourceX, "10.0.0.1", "X-Forwarded-For: 6.6.6.6, [2001:db8::1], 10.0.0.2:80, [fd00::1]:80\r\n", "2001:db8::1"},
		{SourceX, "10.0.0.1", "X-Forwarded-For: 1.1.1.1:port\r\n", "10.0.0.1"},
		{SourceX, "10.0.0.1", "X-Forwarded-Proto: https\r\nX-Forwarded-Host: a.test:8443\r\n", "10.0.0.1 https a.test 8443"},
		{SourceX, "10.0.0.1", "X-Forwarded-Proto: HTTP\r\nX-Forwarded-Host: a.test\r\nX-Forwarded-Port: 81\r\n", "10.0.0.1 http a.test 81"},
		{SourceX, "10.0.0.1", "X-Forwarded-For: 6.6.6.6, 1.1.1.1, 10.0.0.2\r\nX-Forwarded-Proto: http, https, http\r\n", "1.1.1.1 https"},
		{SourceX, "10.0.0.1", "X-Forwarded-For: 6.6.6.6, 1.1.1.1\r\nX-Forwarded-Proto: http, https\r\n", "1.1.1.1 https"},
		{SourceX, "10.0.0.1", "X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a/b\r\nX-Forwarded-Port: 8o\r\n", "10.0.0.1"},
		{SourceX, "10.0.0.1", "Forwarded: for=9.9.9.9;proto=https\r\nX-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"},
		{SourceX, "10.0.0.1", "Forwarded: for=9.9.9.9;proto=https;host=forged.test\r\n", "10.0.0.1"},
		{SourceRFC, "10.0.0.1", "Forwarded: for=6.6.6.6;proto=http, for=1.1.1.1;proto=https, for=10.0.0.2;proto=http\r\n", "1.1.1.1 https"},
		{SourceRFC, "10.0.0.1", "Forwarded: proto=https;For=\"[2001:db8::1]:4711\";host=\"a.test:444\"\r\n", "2001:db8::1 https a.test 444"},
		{SourceRFC, "10.0.0.1", "Forwarded: for=\"[fd00::2]\", for=\"1.1.1.1:80\"\r\n", "1.1.1.1"},
		{SourceRFC, "10.0.0.1", "Forwarded: for=1.1.1.1, for=_hidden;proto=https\r\n", "10.0.0.1 https"},
		{SourceRFC, "10.0.0.1", "Forwarded: for=\"6.6.6.6, for=1.1.1.1;host=\"a,b;c\";proto=https\r\n", "1.1.1.1 https"},
		{SourceRFC, "10.0.0.1", "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: forged.test\r\n", "10.0.0.1"},
	} {
		told := c.source.Read(fieldsOf(t, c.lines), netip.MustParseAddr(c.peer), trusted)
		got := strings.Join(strings.Fields(fmt.Sprintf("%v %s %s %s", told.Client, told.Scheme, told.Host, told.Port)), " ")
		if got != c.want {
			t.Errorf("from %s with %q: got %s, want %s", c.peer, c.lines, got, c.want)
		}
	}
}

func TestWhatIsToldAllocatesNothing(t *testing.T) {
	trusted := NewNetworks([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	f := fieldsOf(t, "Forwarded: for=1.1.1.1;proto=https;host=\"a\"\r\nX-Forwarded-For: 1.1.1.1, 10.0.0.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n")
	peer := netip.MustParseAddr("10.0.0.1")
	for _, s := range []Source{SourceX, SourceRFC} {
		if n := testing.AllocsPerRun(100, func() { s.Read(f, peer, trusted) }); n != 0 {
			t.Errorf("source %d: %v allocations", s, n)
		}
	}
}

func TestForwardedFieldsContinueWhatTrustedProxiesSayAndNothingElse(t *testing.T) {
	lines := "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Host: shown.example\r\nForwarded: for=2.2.2.2\r\n"
	trusted := NewNetworks([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	removes := NewHeaderEdit()
	removes.Remove("x-forwarded-proto")
	for _, c := range []struct {
		mode   Forwarded
		source Source
		peer   string
		edit   *HeaderEdit
		want   string
	}{
		{ForwardedX, SourceX, "192.0.2.1", nil, "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"},
		{ForwardedX, SourceX, "10.0.0.1", nil, "X-Forwarded-For: 1.1.1.1, 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shown.example\r\n"},
		{ForwardedX, SourceRFC, "10.0.0.1", nil, "X-Forwarded-For: 2.2.2.2, 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n"},
		{ForwardedRFC, SourceX, "2001:db8::1", nil, "Forwarded: for=\"[2001:db8::1]\";proto=https;host=\"a\"\r\n"},
		{ForwardedRFC, SourceRFC, "10.0.0.1", nil, "Forwarded: for=2.2.2.2, for=10.0.0.1;proto=https;host=\"a\"\r\n"},
		{ForwardedRFC, SourceX, "10.0.0.1", nil, "Forwarded: for=1.1.1.1, for=10.0.0.1;proto=https;host=\"a\"\r\n"},
		{ForwardedNone, SourceX, "10.0.0.1", nil, ""},
		{ForwardedX, SourceX, "192.0.2.1", removes, "X-Forwarded-For: 192.0.2.1\r\n"},
	} {
		f, peer := fieldsOf(t, lines), netip.MustParseAddr(c.peer)
		told := c.source.Read(f, peer, trusted)
		h := Hop{Fields: f, Peer: peer, PeerText: []byte(c.peer), Source: c.source, Told: &told, Edit: c.edit, Scheme: "https", Authority: []byte("a"), HostStays: true}
		if got := string(c.mode.Append(nil, &h)); got != c.want {
			t.Errorf("mode %d, source %d from %s: got %q, want %q", c.mode, c.source, c.peer, got, c.want)
		}
	}
}
