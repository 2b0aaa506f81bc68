package accesslog

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/telemetry/reason"
)

func sample() *Record {
	return &Record{At: time.Date(2026, 3, 4, 5, 6, 7, 890000000, time.UTC).UnixMicro(), Client: netip.MustParseAddr("2001:db8::1"),
		Status: 502, Version: 11, TLS: true, Attempts: 2, Reason: reason.ConnectRefused, Sent: 300, Received: 120, Matched: 10, Connected: -1, Answered: -1, Ended: 12345,
		Method: []byte("GET"), Host: []byte("a.example"), Target: []byte("/a%20b?x=1&y=2"), Route: []byte("a.example/*"), Pool: []byte("web"),
		Server: []byte("10.0.0.1:80"), UserAgent: []byte("Mozilla/5.0 (X11) \"evil\"\x1b[2J\n"), Detail: []byte("connection refused")}
}

func TestTemplates(t *testing.T) {
	r := sample()
	for template, want := range map[string]string{
		"{client} {method} {path} {query} {status}":         "2001:db8::1 GET /a%20b x=1&y=2 502\n",
		"{date} {clock} {time}":                             "2026-03-04 05:06:07 2026-03-04T05:06:07.890000Z\n",
		`"{user_agent}" "{referer}"`:                        `"Mozilla/5.0 (X11) \"evil\"\x1b[2J\x0a" "-"` + "\n",
		"{{literal}} {duration_ms}ms {match_us}/{send_us}":  "{literal}} 12ms 10/-\n",
		"{reason} {detail} {attempts} {tls} {version}":      "server.connect.refused connection refused 2 true HTTP/1.1\n",
		"{peer}|{sent}|{received}|{pool}|{server}|{route}{": "",
		"{nonsense}": "",
		"plain":      "plain\n",
	} {
		f, err := ParseTemplate(template)
		if want == "" {
			if err == nil || !strings.Contains(err.Error(), "is no field of a log line; there are time, ") {
				t.Errorf("%s: %v", template, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", template, err)
		} else if got := string(f(nil, r)); got != want {
			t.Errorf("%s: got %q, want %q", template, got, want)
		}
	}
	for _, name := range Variables() {
		if _, err := ParseTemplate("{" + name + "}"); err != nil {
			t.Error(err)
		}
	}
}

func TestW3C(t *testing.T) {
	line, head, err := W3C(nil)
	if err != nil {
		t.Fatal(err)
	}
	text := head(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))
	const columns = "date time c-ip cs-method cs-host cs-uri-stem cs-uri-query cs-version sc-status sc-bytes cs-bytes time-taken cs(User-Agent) cs(Referer) x-server x-reason"
	if text != "#Version: 1.0\n#Software: weir\n#Date: 2026-03-04 05:06:07\n#Fields: "+columns+"\n" {
		t.Errorf("head:\n%s", text)
	}
	got := string(line(nil, sample()))
	want := `2026-03-04 05:06:07 2001:db8::1 GET a.example /a%20b x=1&y=2 HTTP/1.1 502 300 120 12 Mozilla/5.0+(X11)+\"evil\"\x1b[2J\x0a - 10.0.0.1:80 server.connect.refused` + "\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if n := len(strings.Fields(got)); n != len(strings.Fields(columns)) {
		t.Errorf("%d values for %d columns", n, len(strings.Fields(columns)))
	}
	if line, _, err = W3C([]string{"sc-status", "x-detail"}); err != nil || string(line(nil, sample())) != "502 connection+refused\n" {
		t.Errorf("own columns: %v", err)
	}
	if _, _, err := W3C([]string{"sc-status", "s-sitename"}); err == nil || !strings.Contains(err.Error(), `"s-sitename" is no column of a log; there are date, time, c-ip`) {
		t.Errorf("unknown column: %v", err)
	}
}

func TestFilter(t *testing.T) {
	errors := Filter{Statuses: []Range{{400, 499}}, Slower: 1000}
	for _, c := range []struct {
		status int
		why    reason.Reason
		micros int64
		want   bool
	}{{200, reason.Done, 10, false}, {404, reason.Done, 10, true}, {200, reason.Done, 1000, true}, {500, reason.Done, 10, true},
		{200, reason.BodyCut, 10, true}, {403, reason.Denied, 10, true}, {200, reason.ClientCut, 10, false}} {
		if got := errors.Takes(c.status, c.why, c.micros); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	all, tenth, n := Filter{}, Filter{Share: 0.1}, 0
	for range 10_000 {
		if tenth.Takes(200, reason.Done, 1) {
			n++
		}
	}
	if n < 800 || n > 1200 || !all.Takes(200, reason.Done, 1) || !tenth.Takes(503, reason.Done, 1) {
		t.Errorf("%d of 10,000 with a share of 10 %%", n)
	}
}

func TestFilesBeginWithTheFormatsHead(t *testing.T) {
	ring := NewRing(1 << 16)
	w := NewWriter([]*Ring{ring})
	defer w.Close()
	file := filepath.Join(t.TempDir(), "access.log")
	line, head, _ := W3C([]string{"sc-status"})
	if err := w.Configure(WriterConfig{File: file, Format: line, Head: head}); err != nil {
		t.Fatal(err)
	}
	put := func() {
		if !ring.Put(sample().Append(nil)) {
			t.Fatal("the ring is full")
		}
	}
	until := func(name, what string) {
		t.Helper()
		for by := time.Now().Add(5 * time.Second); time.Now().Before(by); time.Sleep(10 * time.Millisecond) {
			if text, _ := os.ReadFile(name); bytes.HasPrefix(text, []byte("#Version: 1.0\n")) && strings.HasSuffix(string(text), what) {
				return
			}
		}
		text, _ := os.ReadFile(name)
		t.Fatalf("%s has %q, want a head and %q", name, text, what)
	}
	put()
	put()
	until(file, "#Fields: sc-status\n502\n502\n")
	os.Rename(file, file+".1")
	put() // may still go to the old file
	time.Sleep(lookMost + 50*time.Millisecond)
	put()
	until(file, "502\n")
}

func TestWhatEndedBeforeAChangeGoesWhereLinesWentBefore(t *testing.T) {
	ring := NewRing(1 << 16)
	w := NewWriter([]*Ring{ring})
	defer w.Close()
	file := filepath.Join(t.TempDir(), "access.log")
	line, err := ParseTemplate("{status}")
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 20; n++ {
		if err := w.Configure(WriterConfig{File: file, Format: line}); err != nil {
			t.Fatal(err)
		}
		ring.Put(sample().Append(nil))
		if err := w.Configure(WriterConfig{}); err != nil {
			t.Fatal(err)
		}
		if text, _ := os.ReadFile(file); string(text) != strings.Repeat("502\n", n) {
			t.Fatalf("after %d requests the log has %q", n, text)
		}
	}
}
