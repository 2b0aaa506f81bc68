package hostile

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weir-proxy/weir/test/peers"
)

// programs are Go's own clients of each version.
func (w *world) programs() map[string]http.RoundTripper {
	address := func(context.Context, string, string) (net.Conn, error) { return net.Dial("tcp", w.at["CLEAR"]) }
	one, two := &http.Transport{DialContext: address, Protocols: new(http.Protocols)}, &http.Transport{DialContext: address, Protocols: new(http.Protocols)}
	one.Protocols.SetHTTP1(true)
	two.Protocols.SetUnencryptedHTTP2(true)
	three := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: w.roots, ServerName: "localhost"},
		Dial: func(ctx context.Context, _ string, t *tls.Config, q *quicgo.Config) (*quicgo.Conn, error) {
			return quicgo.DialAddr(ctx, w.at["SECURE"], t, q)
		}}
	w.t.Cleanup(func() { one.CloseIdleConnections(); two.CloseIdleConnections(); three.Close() })
	return map[string]http.RoundTripper{"http1": one, "http2": two, "http3": three}
}

func urlOf(version string) string {
	if version == "http3" {
		return "https://localhost/"
	}
	return "http://localhost/"
}

// What some servers send is unusual and no attack: forty interim responses, and as many fields as there are cookies to set. Bytes and rates are bounded, not their number.
func TestServersMaySendManyInterimResponsesAndFields(t *testing.T) {
	dir := t.TempDir()
	if _, err := peers.NewCertificate(dir); err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{"http1", "http2", "http3"} {
		replies := &answers{}
		var m letter
		for i := range 600 {
			m.fields = append(m.fields, fmt.Sprintf("Set-Cookie: c%d=%d", i, i))
		}
		at := ""
		switch server {
		case "http1":
			at = serveHTTP1(t, replies)
		case "http2":
			at = serveHTTP2(t, replies)
		case "http3":
			at = serveHTTP3(t, replies, dir)
		}
		w := start(t, strings.ReplaceAll(everything(server+" "+at), "ca: DIR", "ca: "+dir))
		for version, client := range w.programs() {
			t.Run(server+" to "+version, func(t *testing.T) {
				m.interims = 40
				if version == "http3" {
					m.interims = 4 // quic-go's client takes no more
				}
				replies.set(m)
				for range 3 {
					r, _ := http.NewRequest("GET", urlOf(version), nil)
					response, err := client.RoundTrip(r)
					if err != nil {
						t.Fatal(err)
					}
					io.Copy(io.Discard, response.Body)
					response.Body.Close()
					if n := len(response.Header["Set-Cookie"]); response.StatusCode != 200 || n < 600 {
						t.Fatalf("status %d, %d cookies", response.StatusCode, n)
					}
				}
			})
		}
	}
}

// slowly gives one byte at each read, so that clients send each in a chunk or frame of its own.
type slowly struct{ left int }

func (s *slowly) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	s.left--
	p[0] = 'x'
	return 1, nil
}

// A program that writes byte by byte is no attack.
func TestFiveThousandChunksOfOneByteAreTaken(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	}))
	defer origin.Close()
	w := start(t, everything("http1 "+strings.TrimPrefix(origin.URL, "http://")))
	for version, client := range w.programs() {
		t.Run(version, func(t *testing.T) {
			r, _ := http.NewRequest("POST", urlOf(version), &slowly{left: 5000})
			response, err := client.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != 200 || string(body) != "5000 <nil>" {
				t.Errorf("status %d: %s", response.StatusCode, body)
			}
		})
	}
}

// What HPACK makes large is paid for (QPACK without a dynamic table makes no more of a byte than 45): a client that has weir decode the same bytes again and again is cut off before it has cost much.
func TestAClientPaysForWhatItsHeadsExpandTo(t *testing.T) {
	w := start(t, everything("http1 127.0.0.1:9"))
	conn, err := net.Dial("tcp", w.at["CLEAR"])
	if err != nil {
		t.Fatal(err)
	}
	a := beginHTTP2(conn)
	defer a.close()
	// The table gets an entry of 4000 bytes; then each head refers to it, by one byte, fourteen times.
	enter := append([]byte{0x82, 0x86, 0x84, 0x01, 1, 'a', 0x40, 1, 'x', 0x7f}, 0xa1, 0x1e) // 4000 in the form of RFC 7541 section 5.1
	enter = append(enter, strings.Repeat("v", 4000)...)
	again := append([]byte{0x82, 0x86, 0x84, 0x01, 1, 'a'}, strings.Repeat("\xbe", 14)...)
	if err := a.heading(1, enter, true); err != nil {
		t.Fatal(err)
	}
	sent := 0
	ended := make(chan error, 1)
	go func() { ended <- a.await(1 << 30) }()
	for ; sent < 1000 && len(ended) == 0; sent++ {
		if a.heading(uint32(3+2*sent), again, true) != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "budget_expansion") {
		t.Errorf("ended by %v", err)
	}
	if sent > 100 {
		t.Errorf("%d heads of 56 kB in 20 bytes were taken", sent)
	}
}
