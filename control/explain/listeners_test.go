package explain

import (
	"net/netip"
	"strings"
	"testing"
)

const sharedPorts = `
listeners:
  one:    { address: "127.0.0.1:8080" }
  two:    { address: "127.0.0.2:8080" }
  v6:     { address: "[::1]:8080" }
  secure: { address: "127.0.0.3:8080", tls: { certificates: [x.pem] } }
  past:   { address: "127.0.0.4:8080", protocol: tls, sites: { "*.example": db } }
  all:    { address: ":9090" }
  own:    { address: "127.0.0.2:9090" }
  db1:    { address: "127.0.0.1:3306", protocol: tcp, pool: db }
  db2:    { address: "127.0.0.2:3306", protocol: tcp, pool: db }
pools: { db: { servers: [127.0.0.1:9] } }
sites: { "*": http://127.0.0.1:9 }
`

// Of listeners with one port, the address of the URL chooses, or the one that the client wanted to go to.
func TestTheAddressChoosesAmongListenersOfOnePort(t *testing.T) {
	w := world(t, sharedPorts)
	for _, c := range []struct{ url, to, want, why string }{
		{"http://127.0.0.1:8080/", "", "one", "takes port 8080 of 127.0.0.1"},
		{"http://127.0.0.2:8080/", "", "two", "takes port 8080 of 127.0.0.2"},
		{"127.0.0.2:8080/", "", "two", "takes port 8080 of 127.0.0.2"},
		{"http://[::1]:8080/", "", "v6", "takes port 8080 of ::1"},
		{"http://[::ffff:127.0.0.2]:8080/", "", "two", "takes port 8080 of 127.0.0.2"},
		{"http://a.example:8080/", "127.0.0.2:8080", "two", "takes port 8080 of 127.0.0.2"},
		{"http://a.example/", "127.0.0.2:8080", "two", "takes port 8080 of 127.0.0.2"},
		{"http://127.0.0.1:8080/", "127.0.0.2:8080", "two", "takes port 8080 of 127.0.0.2"},
		{"http://a.example:8080/", "", "one", "is the first that takes port 8080 (also: two, v6)"},
		{"http://127.0.0.9:8080/", "", "one", "is the first that takes port 8080; none takes it of 127.0.0.9"},
		{"https://127.0.0.9:8080/", "127.0.0.3:8080", "secure", "takes port 8080"},
		{"https://a.example:8080/", "127.0.0.3:8080", "secure", "takes port 8080"},
		{"https://a.example:8080/", "127.0.0.4:8080", "past", "takes port 8080"},
		{"http://127.0.0.1:9090/", "", "all", "takes port 9090"},
		{"http://127.0.0.2:9090/", "", "own", "takes port 9090 of 127.0.0.2"},
		{"tcp://127.0.0.1:3306", "", "db1", "takes port 3306 of 127.0.0.1, protocol tcp"},
		{"tcp://127.0.0.2:3306", "", "db2", "takes port 3306 of 127.0.0.2, protocol tcp"},
		{"tcp://db:3306", "127.0.0.2:3306", "db2", "takes port 3306 of 127.0.0.2, protocol tcp"},
		{"tcp://db:3306", "", "db1", "is the first that takes port 3306 (also: db2)"},
		{"tcp://127.0.0.9:3306", "", "db1", "none takes it of 127.0.0.9"},
	} {
		r := &Request{URL: c.url}
		if c.to != "" {
			r.To = netip.MustParseAddrPort(c.to)
		}
		a, err := w.Explain(r)
		if err != nil || a.Listener != c.want || !strings.Contains(a.Why[0].Why, c.why) {
			t.Errorf("%s to %q: got %+v %v, want %s: %s", c.url, c.to, a, err, c.want, c.why)
		}
	}
}

// A listener that captures takes connections to every address.
func TestACapturingListenerTakesWhatNoOtherHasTheAddressOf(t *testing.T) {
	w := world(t, strings.Replace(sharedPorts, `"127.0.0.1:8080" }`, `"127.0.0.1:8080", capture: redirect }`, 1))
	for to, want := range map[string]string{"192.0.2.7:8080": "one", "127.0.0.2:8080": "two"} {
		a, err := w.Explain(&Request{URL: "http://a.example:8080/", To: netip.MustParseAddrPort(to)})
		if err != nil || a.Listener != want {
			t.Errorf("to %s: got %+v %v, want %s", to, a, err, want)
		}
	}
}
