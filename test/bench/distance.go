package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weir-proxy/weir/test/peers"
)

// The link of both questions is what is on its way at 100 MB/s.
const distanceDelay = 20 * time.Millisecond // each way

func distance() *question {
	return farQuestion("distance", "How fast are one download and one upload by TLS over a link of 40 ms?", crossing{bytes: 60_000_000, connections: 1})
}

// overLoss has several connections, since one of them meets too few losses to tell anything.
func overLoss() *question {
	return farQuestion("loss", "How fast are four downloads and four uploads by TLS over a link of 40 ms that loses one packet of a hundred?",
		crossing{bytes: 2_000_000, connections: 4, loss: 1})
}

// A crossing is what goes over the link for one figure.
type crossing struct {
	bytes       int64 // of each connection
	connections int   // at once
	loss        float64
}

var farVersions = []string{"http1", "http2", "http3"}

// farVersions leaves out what the older peers do not speak.
func (s *subject) farVersions() []string {
	if strings.HasSuffix(s.name, "-old") {
		return farVersions[:2]
	}
	return farVersions
}

func farQuestion(name, asks string, x crossing) *question {
	q := &question{
		Name:     name,
		Asks:     asks,
		subjects: []string{"nginx", "haproxy", "caddy", "weir"},
		needs:    rootNeeded,
		prepare:  func(_ context.Context, b *bed) error { return b.link() },
		measure:  x.measure,
	}
	for _, version := range farVersions {
		for _, method := range []string{"GET", "POST"} {
			f := figure{strings.ToLower(method) + " " + version, "MB/s"}
			q.figures = append(q.figures, f)
			for _, peer := range []string{"nginx", "haproxy", "caddy"} {
				q.targets = append(q.targets, target{Figure: f.Name, Peer: peer, Bound: 0.9, AtLeast: true})
			}
		}
	}
	return q
}

func rootNeeded() error {
	if os.Getuid() != 0 {
		return errors.New("it makes a network namespace, which needs root")
	}
	return nil
}

// measure moves the bytes each way in every version, each on connections that have moved a tenth of them before. The proxy is one more process, which listens
// on the link and speaks HTTP/3 there.
func (x crossing) measure(ctx context.Context, b *bed, running *subject) (sample, error) {
	s, err := b.freshAt(running.name, b.far.Here)
	if err != nil {
		return nil, err
	}
	defer s.process.Stop()
	b.far.Lose(x.loss)
	result := sample{}
	for _, version := range s.farVersions() {
		for _, method := range []string{"GET", "POST"} {
			name := strings.ToLower(method) + " " + version
			if result[name], err = x.rate(ctx, b.far, version, method, s.secure("")); err == nil {
				continue
			}
			if s.name == "weir" || ctx.Err() != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			fmt.Fprintf(os.Stderr, "%s: %s: %v; this counts as no rate at all\n", s.name, name, err)
		}
	}
	return result, nil
}

// rate is what all connections moved together, in MB/s.
func (x crossing) rate(ctx context.Context, link *peers.Link, version, method, base string) (float64, error) {
	rates, failed := make([]float64, x.connections), make([]error, x.connections)
	var all sync.WaitGroup
	for i := range x.connections {
		all.Go(func() {
			transport, done := farTransport(link, version)
			defer done()
			if _, failed[i] = move(ctx, transport, method, base, x.bytes/10); failed[i] == nil {
				rates[i], failed[i] = move(ctx, transport, method, base, x.bytes)
			}
		})
	}
	all.Wait()
	sum := 0.0
	for _, rate := range rates {
		sum += rate
	}
	return sum, errors.Join(failed...)
}

// farTransport is a client beyond the link, with windows that are never what limits it.
func farTransport(link *peers.Link, version string) (transport http.RoundTripper, done func()) {
	noCheck := &tls.Config{InsecureSkipVerify: true}
	if version == "http3" {
		t := &http3.Transport{TLSClientConfig: noCheck, QUICConfig: &quicgo.Config{InitialStreamReceiveWindow: 1 << 24, InitialConnectionReceiveWindow: 1 << 24,
			MaxStreamReceiveWindow: 1 << 26, MaxConnectionReceiveWindow: 1 << 27}}
		t.Dial = func(ctx context.Context, address string, config *tls.Config, q *quicgo.Config) (*quicgo.Conn, error) {
			socket, err := link.ListenPacket()
			if err != nil {
				return nil, err
			}
			to, err := net.ResolveUDPAddr("udp", address)
			if err != nil {
				return nil, err
			}
			over := &quicgo.Transport{Conn: socket}
			c, err := over.DialEarly(ctx, to, config, q)
			if err != nil {
				socket.Close()
				return nil, err
			}
			context.AfterFunc(c.Context(), func() { over.Close(); socket.Close() })
			return c, nil
		}
		return t, func() { t.Close() }
	}
	var protocols http.Protocols
	protocols.SetHTTP1(version == "http1")
	protocols.SetHTTP2(version == "http2")
	t := &http.Transport{Protocols: &protocols, TLSClientConfig: noCheck, ReadBufferSize: 256 << 10, WriteBufferSize: 256 << 10,
		DialContext: func(_ context.Context, network, address string) (net.Conn, error) { return link.Dial(network, address) },
		HTTP2:       &http.HTTP2Config{MaxReceiveBufferPerStream: 1 << 26, MaxReceiveBufferPerConnection: 1 << 27}}
	return t, t.CloseIdleConnections
}

// moveMost bounds the time of a transfer: a peer that moves a fiftieth of what others do need not be waited for to be told from them.
const moveMost = 5 * time.Second

// move is the rate, in MB/s, at which n bytes of content go one way, or as many as do within moveMost.
func move(ctx context.Context, transport http.RoundTripper, method, base string, n int64) (float64, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	url, body := base+"/1g", io.Reader(nil)
	sent := &zeros{left: n, until: time.Now().Add(moveMost)}
	if method == "POST" {
		url, body = base+"/sink", sent
	}
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return 0, err
	}
	if method == "GET" {
		request.Header.Set("Range", fmt.Sprintf("bytes=0-%d", n-1))
	}
	began := time.Now()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	moved, err := readFor(response.Body, moveMost)
	switch {
	case err != nil:
		return 0, err
	case response.StatusCode >= 300:
		return 0, fmt.Errorf("status %d", response.StatusCode)
	case method == "POST":
		moved = n - sent.left // and all of it has arrived: the response comes after it
	}
	return float64(moved) / 1e6 / time.Since(began).Seconds(), nil
}

// readFor reads to the end, or for so long.
func readFor(from io.Reader, most time.Duration) (n int64, err error) {
	b, until := make([]byte, 256<<10), time.Now().Add(most)
	for time.Now().Before(until) {
		k, err := from.Read(b)
		n += int64(k)
		if err == io.EOF {
			break
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// zeros is so many bytes, or as many as are taken in time.
type zeros struct {
	left  int64
	until time.Time
}

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 || time.Now().After(z.until) {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}
