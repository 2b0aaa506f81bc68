package hostile

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/qpack"
	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	wire3 "github.com/weir-proxy/weir/wire/http3"
)

const refusedConfig = `
listeners:
  clear: { address: CLEAR }
  secure: { address: SECURE, tls: { certificates: [{ cert: DIR/cert.pem, key: DIR/key.pem }] } }
admin: off
data: DIR/data
logs: { access: { file: DIR/access.log, format: json } }
pools: { app: { servers: ["ORIGIN"] } }
sites: { foreign.test: app }
`

// refusal is a request that is refused before its site is known: the lines of HTTP/1.1, or the fields of a later version.
type refusal struct {
	name   string
	http1  string
	fields []string
}

var refusals = []refusal{
	{name: "no request", http1: "nonsense\r\n\r\n"},
	{name: "a bad version", http1: "GET / HTTP/5.0\r\nHost: a\r\n\r\n"},
	{name: "a bad target", http1: "GET \x01 HTTP/1.1\r\nHost: a\r\n\r\n"},
	{name: "no Host", http1: "GET / HTTP/1.1\r\n\r\n"},
	{name: "two lengths", http1: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"},
	{name: "a bad chunk", http1: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
	{name: "a bad path", http1: "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"},
	{name: "many fields", http1: "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 200) + "\r\n"},
	{name: "an unknown site", http1: "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{name: "a method in other letters", http1: "get / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{name: "many fields", fields: append([]string{":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/"}, slicesOf("x", "y", 200)...)},
	{name: "an unknown protocol", fields: []string{":method", "CONNECT", ":protocol", "unknown", ":scheme", "https", ":authority", "a", ":path", "/"}},
	{name: "an expectation", fields: []string{":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/", "expect", "more"}},
	{name: "a bad path", fields: []string{":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/%zz"}},
	{name: "an unknown site", fields: []string{":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/"}},
}

func slicesOf(name, value string, n int) (list []string) {
	for range n {
		list = append(list, name, value)
	}
	return list
}

// A request that is refused early is logged and answered as what it is: nothing of an earlier exchange, which was another client's, is in its record.
func TestEarlyRefusalsTellNothingOfOtherClients(t *testing.T) {
	server := origin(t)
	records := func(t *testing.T, foreign bool) map[string]map[string]any {
		w := start(t, strings.ReplaceAll(refusedConfig, "ORIGIN", server), "env", "GOMAXPROCS=1")
		all := map[string]map[string]any{}
		for _, r := range refusals {
			for version, refuse := range w.refusers(r) {
				if foreign {
					w.foreign(t)
				}
				before := len(w.records(t))
				if err := refuse(); err != nil {
					t.Fatalf("%s, %s: %v", version, r.name, err)
				}
				within(t, 5*time.Second, version+", "+r.name+": its record", func() bool { return len(w.records(t)) > before })
				record := w.records(t)[before]
				maps.DeleteFunc(record, func(key string, _ any) bool {
					return key == "time" || key == "peer_port" || strings.HasSuffix(key, "_us")
				})
				all[version+", "+r.name] = record
			}
		}
		return all
	}
	alone, after := records(t, false), records(t, true)
	for name, want := range alone {
		if got := after[name]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s:\nafter another client's request %v\nalone                          %v", name, got, want)
		}
		if version, _, _ := strings.Cut(name, ","); want["client"] != "127.0.0.1" || !strings.Contains(version, want["version"].(string)) {
			t.Errorf("%s: %v", name, want)
		}
	}
}

// records are the lines of the access log.
func (w *world) records(t *testing.T) (list []map[string]any) {
	text, _ := os.ReadFile(filepath.Join(w.dir, "access.log"))
	for line := range bytes.Lines(text) {
		record := map[string]any{}
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // not written whole yet
		}
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		list = append(list, record)
	}
	return list
}

// foreign has another client, 127.0.0.2, make requests of every version that are full of what may be left behind.
func (w *world) foreign(t *testing.T) {
	t.Helper()
	from := net.ParseIP("127.0.0.2")
	identity := &tls.Config{InsecureSkipVerify: true, ServerName: "foreign.test"}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: from})
	if err != nil {
		t.Fatal(err)
	}
	quic := &quicgo.Transport{Conn: socket}
	defer socket.Close()
	defer quic.Close()
	plain := &http.Transport{DialContext: dialer.DialContext}
	second := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: identity, ForceAttemptHTTP2: true}
	third := &http3.Transport{TLSClientConfig: identity, Dial: func(ctx context.Context, at string, c *tls.Config, q *quicgo.Config) (*quicgo.Conn, error) {
		address, err := net.ResolveUDPAddr("udp", at)
		if err != nil {
			return nil, err
		}
		return quic.DialEarly(ctx, address, c, q)
	}}
	defer plain.CloseIdleConnections()
	defer second.CloseIdleConnections()
	defer third.Close()
	before := len(w.records(t))
	for url, transport := range map[string]http.RoundTripper{"http://" + w.at["CLEAR"]: plain, "https://" + w.at["SECURE"]: second, "https://" + w.at["SECURE"] + "?3": third} {
		request, _ := http.NewRequest("POST", strings.Replace(url, "?3", "", 1)+"/foreign", strings.NewReader("foreign"))
		request.Host = "foreign.test"
		for _, name := range []string{"User-Agent", "Referer", "X-Forwarded-For", "Cookie"} {
			request.Header.Set(name, "foreign")
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	within(t, 5*time.Second, "the foreign records", func() bool { return len(w.records(t)) == before+3 })
}

// refusers have a request refused, in each version that can say it; they return when weir has answered, or ended the connection.
func (w *world) refusers(r refusal) map[string]func() error {
	if r.http1 != "" {
		return map[string]func() error{"HTTP/1.1": func() error {
			conn, err := net.Dial("tcp", w.at["CLEAR"])
			if err != nil {
				return err
			}
			defer conn.Close()
			io.WriteString(conn, r.http1)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err == nil && response.StatusCode < 400 {
				err = fmt.Errorf("status %d", response.StatusCode)
			}
			return err
		}}
	}
	return map[string]func() error{
		"HTTP/2.0": func() error {
			conn, err := tls.Dial("tcp", w.at["SECURE"], &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}, ServerName: "a"})
			if err != nil {
				return err
			}
			a := beginHTTP2(conn)
			defer a.close()
			var block bytes.Buffer
			encoder := hpack.NewEncoder(&block)
			for i := 0; i < len(r.fields); i += 2 {
				encoder.WriteField(hpack.HeaderField{Name: r.fields[i], Value: r.fields[i+1]})
			}
			if err := a.heading(1, block.Bytes(), true); err != nil {
				return err
			}
			conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			for {
				f, err := a.ReadFrame()
				if err != nil {
					return err
				}
				if _, ok := f.(*http2.HeadersFrame); ok {
					return nil
				}
			}
		},
		"HTTP/3.0": func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			c, err := quicgo.DialAddr(ctx, w.at["SECURE"], &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}, ServerName: "a"}, nil)
			if err != nil {
				return err
			}
			defer c.CloseWithError(0x100, "")
			s, err := c.OpenStream()
			if err != nil {
				return err
			}
			var block bytes.Buffer
			encoder := qpack.NewEncoder(&block)
			for i := 0; i < len(r.fields); i += 2 {
				encoder.WriteField(qpack.HeaderField{Name: r.fields[i], Value: r.fields[i+1]})
			}
			s.Write(append(wire3.AppendHeader(nil, wire3.FrameHeaders, block.Len()), block.Bytes()...))
			s.Close()
			s.SetReadDeadline(time.Now().Add(5 * time.Second))
			_, err = s.Read(make([]byte, 100))
			return err
		},
	}
}
