package sniff

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// recorded is a hello as crypto/tls sends it.
func recorded(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	client, server := net.Pipe()
	defer client.Close()
	go tls.Client(client, config).Handshake()
	b := make([]byte, 16<<10)
	server.SetReadDeadline(time.Now().Add(time.Second))
	n, err := server.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	return b[:n]
}

func protocols(h *Hello) (list []string) {
	for name := range h.Protocols {
		list = append(list, string(name))
	}
	return list
}

func TestNameAndProtocolsOfCryptoTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		raw := recorded(t, &tls.Config{ServerName: "A.Example.COM", NextProtos: []string{"h2", "http/1.1"}, MaxVersion: version})
		h, enough, err := ClientHello(raw)
		if err != nil || !enough || string(h.ServerName) != "a.example.com" || !slices.Equal(protocols(&h), []string{"h2", "http/1.1"}) {
			t.Errorf("%q %v %v %v", h.ServerName, protocols(&h), enough, err)
		}
	}
	raw := recorded(t, &tls.Config{ServerName: "10.0.0.1", InsecureSkipVerify: true})
	if h, enough, err := ClientHello(raw); err != nil || !enough || h.ServerName != nil || protocols(&h) != nil {
		t.Errorf("without a name: %+v %v %v", h, enough, err)
	}
}

func TestHelloInAnyRecordsAndSegments(t *testing.T) {
	raw := recorded(t, &tls.Config{ServerName: "a.example.com", NextProtos: []string{"h2"}})
	body := raw[recordHeader:]
	for _, size := range []int{1, 2, 3, 5, 64, 1000, len(body)} {
		var cut []byte
		for piece := range slices.Chunk(body, size) {
			cut = append(cut, recordHandshake, 3, 1, byte(len(piece)>>8), byte(len(piece)))
			cut = append(cut, piece...)
		}
		var growing Records
		for n := range cut {
			if h, enough, err := ClientHello(cut[:n]); enough || err != nil {
				t.Fatalf("records of %d, the first %d bytes: %+v %v", size, n, h, err)
			}
			if h, enough, err := growing.ClientHello(cut[:n]); enough || err != nil {
				t.Fatalf("records of %d, the first %d bytes one by one: %+v %v", size, n, h, err)
			}
		}
		if h, enough, err := growing.ClientHello(cut); err != nil || !enough || string(h.ServerName) != "a.example.com" {
			t.Errorf("records of %d, byte by byte: %+v %v %v", size, h, enough, err)
		}
		h, enough, err := ClientHello(append(cut, "early data"...))
		if err != nil || !enough || string(h.ServerName) != "a.example.com" || !slices.Equal(protocols(&h), []string{"h2"}) {
			t.Errorf("records of %d: %+v %v %v", size, h, enough, err)
		}
	}
}

// A client may send a hello of the greatest size in records of one byte, and each byte by itself.
func TestTheCostOfAHelloGrowsWithItsSize(t *testing.T) {
	cost := func(size int) time.Duration {
		cut := make([]byte, 0, 6*size)
		for i := range size {
			b := byte(0)
			if i == 0 {
				b = messageHello
			} else if i == 2 {
				b = SizeMax >> 9
			}
			cut = append(cut, recordHandshake, 3, 1, 0, 1, b)
		}
		least := time.Hour
		for range 7 {
			began := time.Now()
			var r Records
			for n := range cut {
				if _, enough, err := r.ClientHello(cut[:n]); enough || err != nil {
					t.Fatal(n, enough, err)
				}
			}
			least = min(least, time.Since(began))
		}
		return least
	}
	small, large := cost(200), cost(200*32)
	if large > 32*6*small { // with the square it would be 32 times 32
		t.Errorf("a hello of 32 times the size costs %v, and the small one %v", large, small)
	}
}

func TestWhatIsNoHello(t *testing.T) {
	hello := recorded(t, &tls.Config{ServerName: "a.example.com"})
	twice := bytes.Replace(hello, []byte("a.example.com"), []byte("a\x00example.com"), 1)
	for text, want := range map[string]error{
		"GET / HTTP/1.1\r\n": ErrNotTLS, "\x16\x02": ErrNotTLS, "\x80\x2e\x01": ErrNotTLS, "\x15\x03\x01\x00\x02\x02\x28": ErrNotTLS,
		"\x16\x03\x01\x00\x00": ErrMalformed, "\x16\x03\x01\x41\x00": ErrMalformed, "\x16\x03\x01\x00\x04\x02\x00\x00\x00": ErrNotTLS,
		"\x16\x03\x01\x00\x04\x01\x00\x00\x00": ErrMalformed, "\x16\x03\x01\x00\x04\x01\xff\xff\xff": ErrTooLong,
		"\x16\x03\x01\x00\x02\x01\x00\x17\x03\x03": ErrMalformed, string(twice): ErrMalformed,
	} {
		if h, _, err := ClientHello([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%q: %+v %v, want %v", text, h, err, want)
		}
	}
}

// TestNameOfRealClients has programs say hello.
func TestNameOfRealClients(t *testing.T) {
	for name, command := range map[string][]string{
		"curl":            {"curl", "-sk", "--max-time", "2", "--resolve", "a.example.com:PORT:127.0.0.1", "https://a.example.com:PORT/"},
		"openssl":         {"openssl", "s_client", "-connect", "127.0.0.1:PORT", "-servername", "a.example.com", "-alpn", "h2,http/1.1"},
		"openssl tls 1.2": {"openssl", "s_client", "-tls1_2", "-connect", "127.0.0.1:PORT", "-servername", "a.example.com", "-alpn", "h2,http/1.1"},
		"gnutls":          {"gnutls-cli", "--no-ca-verification", "--sni-hostname=a.example.com", "--alpn=h2", "--port=PORT", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			_, port, _ := net.SplitHostPort(l.Addr().String())
			args := slices.Clone(command)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "PORT", port)
			}
			client := exec.Command(args[0], args[1:]...)
			if err := client.Start(); err != nil {
				t.Fatal(err)
			}
			defer client.Wait()
			defer client.Process.Kill()
			l.(*net.TCPListener).SetDeadline(time.Now().Add(5 * time.Second))
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(5 * time.Second))
			var all []byte
			for {
				b := make([]byte, 700)
				n, err := c.Read(b)
				if err != nil {
					t.Fatalf("%v after %d bytes", err, len(all))
				}
				all = append(all, b[:n]...)
				h, enough, err := ClientHello(all)
				if err != nil {
					t.Fatal(err)
				}
				if enough {
					if string(h.ServerName) != "a.example.com" || !slices.Contains(protocols(&h), "h2") {
						t.Errorf("%q %v", h.ServerName, protocols(&h))
					}
					return
				}
			}
		})
	}
}

// The standard library has an answer: whatever it takes for a hello has the same name and protocols here.
func FuzzClientHello(f *testing.F) {
	f.Add(recorded(f, &tls.Config{ServerName: "a.example.com", NextProtos: []string{"h2"}}))
	f.Add(recorded(f, &tls.Config{ServerName: "b", MaxVersion: tls.VersionTLS12}))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, enough, err := ClientHello(b)
		if !enough || err != nil {
			return
		}
		protocols(&h)
		name, offered, isRead := byStandardLibrary(b)
		if isRead && (name != string(h.ServerName) || !slices.Equal(offered, protocols(&h))) {
			t.Errorf("%q %v, crypto/tls has %q %v", h.ServerName, protocols(&h), name, offered)
		}
	})
}

// byStandardLibrary is what a server of crypto/tls is told by the hello.
func byStandardLibrary(b []byte) (name string, offered []string, isRead bool) {
	client, server := net.Pipe()
	go func() {
		client.Write(b)
		client.Close()
	}()
	go io.Copy(io.Discard, client)
	defer server.Close()
	server.SetDeadline(time.Now().Add(time.Second))
	tls.Server(server, &tls.Config{GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		name, offered, isRead = strings.ToLower(info.ServerName), info.SupportedProtos, true
		return nil, errors.New("seen")
	}}).Handshake()
	return name, offered, isRead
}
