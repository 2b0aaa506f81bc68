package lifecycle

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/traffic/pool/resolve"
)

const names = `
pools:
  a: { servers: ["there.test:80", "none.test:80", "10.0.0.1:80", "[2001:db8::1]:80", "unix:/run/x.sock"], balance: first }
  b: { servers: ["none.test:81"], srv: _http._tcp.none.test }
sites:
  a.test: a
  b.test: b
  c.test: "http://none.test:8080"
admin: off
`

// answering is a DNS server that answers each query by change; nil for no answer.
func answering(t *testing.T, change func(query []byte) []byte) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if reply := change(b[:n]); reply != nil {
				c.WriteTo(reply, from)
			}
		}
	}()
	return c.LocalAddr().String()
}

func noSuchName(query []byte) []byte {
	query[2] |= 0x80 // RFC 1035 section 4.1.1: QR, a response
	query[3] = 3     // RCODE: "Name Error"
	return query
}

func TestNamesThatDoNotResolveAreWarningsWhereTheyAreWritten(t *testing.T) {
	cfg, problems := config.Parse("weir.yaml", []byte(names))
	if cfg == nil {
		t.Fatal(problems)
	}
	hosts := filepath.Join(t.TempDir(), "hosts")
	os.WriteFile(hosts, []byte("10.0.0.9 there.test\n"), 0o600)
	c := resolve.Config{Hosts: hosts, ResolvConf: "/dev/null"}
	c.Servers = []string{answering(t, noSuchName)}
	var got []string
	for _, p := range checkNames(cfg, c, 10*time.Second) {
		if !p.Warning || !strings.Contains(p.Message, "does not resolve now") {
			t.Errorf("%+v", p)
		}
		got = append(got, fmt.Sprint(p.Pos.Line, " ", p.Path))
	}
	want := `[3 pools.a.servers[1] 4 pools.b.servers[0] 4 pools.b.srv 8 pools."none.test:8080".servers[0]]`
	if fmt.Sprint(got) != strings.Replace(want, `none.test:8080`, "http://none.test:8080", 1) {
		t.Errorf("got %v, want %v", got, want)
	}
	c.Servers = []string{answering(t, func([]byte) []byte { return nil })}
	late := checkNames(cfg, c, 100*time.Millisecond)
	if len(late) != 1 || !late[0].Warning || late[0].Path != "pools.a.servers[1]" || !strings.Contains(late[0].Message, "this name and 1 more") {
		t.Errorf("%v", late)
	}
}

// Names without number that nobody answers for take no longer than a few, however long the file of hosts is.
func TestManyNamesThatNobodyAnswersForAreBounded(t *testing.T) {
	const many = 20_000
	var text, known strings.Builder
	text.WriteString("sites: { '*': p }\npools: { p: { servers: [\n")
	for i := range many {
		fmt.Fprintf(&text, "n%d.test:80,\n", i)
		fmt.Fprintf(&known, "10.0.0.1 other%d.test\n", i)
	}
	text.WriteString("] } }\n")
	cfg, problems := config.Parse("weir.yaml", []byte(text.String()))
	if cfg == nil {
		t.Fatal(problems)
	}
	hosts := filepath.Join(t.TempDir(), "hosts")
	os.WriteFile(hosts, []byte(known.String()), 0o600)
	c := resolve.Config{Hosts: hosts, ResolvConf: "/dev/null", Timeout: queryMost, Servers: []string{answering(t, func([]byte) []byte { return nil })}}
	began := time.Now()
	late := checkNames(cfg, c, 500*time.Millisecond)
	if took := time.Since(began); took > 8*time.Second { // it was over 30 s
		t.Errorf("it took %v", took)
	}
	if len(late) != 1 || !strings.Contains(late[0].Message, fmt.Sprintf("this name and %d more", many-1)) {
		t.Errorf("%d warnings: %v", len(late), late)
	}
}
