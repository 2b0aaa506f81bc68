package filter

import (
	"net/netip"
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
	for _, c := range []struct{ peer, lines, want string }{
		{"192.0.2.1", "X-Forwarded-For: 1.1.1.1\r\n", "192.0.2.1"},
		{"10.0.0.1", "", "10.0.0.1"},
		{"10.0.0.1", "X-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"},
		{"10.0.0.1", "X-Forwarded-For: 6.6.6.6, 1.1.1.1, 10.0.0.2\r\n", "1.1.1.1"},
		{"10.0.0.1", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"},
		{"10.0.0.1", "X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", "10.0.0.3"},
		{"10.0.0.1", "X-Forwarded-For: 1.1.1.1, nonsense\r\n", "10.0.0.1"},
		{"10.0.0.1", "X-Forwarded-For: ::ffff:1.1.1.1\r\n", "1.1.1.1"},
		{"10.0.0.1", "Forwarded: for=6.6.6.6, for=1.1.1.1;proto=https, for=10.0.0.2\r\n", "1.1.1.1"},
		{"10.0.0.1", "Forwarded: proto=https;For=\"[2001:db8::1]:4711\"\r\n", "2001:db8::1"},
		{"10.0.0.1", "Forwarded: for=\"[fd00::2]\", for=\"1.1.1.1:80\"\r\n", "1.1.1.1"},
		{"10.0.0.1", "Forwarded: for=1.1.1.1, for=_hidden\r\n", "10.0.0.1"},
		{"10.0.0.1", "Forwarded: for=9.9.9.9\r\nX-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"},
	} {
		got, _ := ClientOf(fieldsOf(t, c.lines), netip.MustParseAddr(c.peer), trusted)
		if got.String() != c.want {
			t.Errorf("from %s with %q: got %s, want %s", c.peer, c.lines, got, c.want)
		}
	}
}

func TestForwardedFieldsContinueWhatTrustedProxiesSayAndNothingElse(t *testing.T) {
	lines := "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Host: shown.example\r\nForwarded: for=1.1.1.1\r\n"
	for _, c := range []struct {
		mode    Forwarded
		trusted bool
		peer    string
		want    string
	}{
		{ForwardedX, false, "192.0.2.1", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"},
		{ForwardedX, true, "10.0.0.1", "X-Forwarded-For: 1.1.1.1, 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shown.example\r\n"},
		{ForwardedRFC, false, "2001:db8::1", "Forwarded: for=\"[2001:db8::1]\";proto=https;host=\"a\"\r\n"},
		{ForwardedRFC, true, "10.0.0.1", "Forwarded: for=1.1.1.1, for=10.0.0.1;proto=https;host=\"a\"\r\n"},
		{ForwardedNone, true, "10.0.0.1", ""},
	} {
		h := Hop{Fields: fieldsOf(t, lines), Peer: netip.MustParseAddr(c.peer), PeerText: []byte(c.peer), IsTrusted: c.trusted,
			Scheme: "https", Authority: []byte("a"), HostStays: true}
		if got := string(c.mode.Append(nil, &h)); got != c.want {
			t.Errorf("mode %d, trusted %v: got %q, want %q", c.mode, c.trusted, got, c.want)
		}
	}
}
