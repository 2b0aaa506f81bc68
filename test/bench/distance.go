package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// The link of the question distance: what is on its way at 100 MB/s.
const (
	distanceDelay = 20 * time.Millisecond // each way
	distanceBytes = 60_000_000            // of each download and upload
)

func distance() *question {
	best := func(figure string) (list []target) {
		for _, peer := range []string{"nginx", "haproxy", "caddy"} {
			list = append(list, target{Figure: figure, Peer: peer, Bound: 0.9, AtLeast: true})
		}
		return list
	}
	q := &question{
		Name:     "distance",
		Asks:     "How fast are one download and one upload by TLS over a link of 40 ms?",
		subjects: []string{"nginx", "haproxy", "caddy", "weir"},
		measure:  overDistance,
	}
	for _, name := range []string{"get http1", "post http1", "get http2", "post http2"} {
		q.figures = append(q.figures, figure{name, "MB/s"})
		q.targets = append(q.targets, best(name)...)
	}
	return q
}

// overDistance moves the bytes each way in both versions, each on a connection that has moved a tenth of them before.
func overDistance(ctx context.Context, _ *bed, s *subject) (sample, error) {
	address, stop, err := peers.Far(s.secureAddress, distanceDelay)
	if err != nil {
		return nil, err
	}
	defer stop()
	result := sample{}
	for _, version := range []string{"http1", "http2"} {
		var protocols http.Protocols
		protocols.SetHTTP1(version == "http1")
		protocols.SetHTTP2(version == "http2")
		for _, method := range []string{"GET", "POST"} {
			transport := &http.Transport{Protocols: &protocols, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ReadBufferSize: 256 << 10, WriteBufferSize: 256 << 10,
				HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 1 << 26, MaxReceiveBufferPerConnection: 1 << 27}}
			name := map[string]string{"GET": "get ", "POST": "post "}[method] + version
			if _, err = move(ctx, transport, method, "https://"+address, distanceBytes/10); err == nil {
				result[name], err = move(ctx, transport, method, "https://"+address, distanceBytes)
			}
			transport.CloseIdleConnections()
			if err != nil {
				return nil, fmt.Errorf("%s by %s: %w", name, s.name, err)
			}
		}
	}
	return result, nil
}

// move is the rate, in MB/s, at which n bytes of content go one way.
func move(ctx context.Context, transport http.RoundTripper, method, base string, n int64) (float64, error) {
	url, body := base+"/1g", io.Reader(nil)
	if method == "POST" {
		url, body = base+"/sink", io.LimitReader(zeros{}, n)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return 0, err
	}
	if method == "GET" {
		request.Header.Set("Range", fmt.Sprintf("bytes=0-%d", n-1))
	} else {
		request.ContentLength = n
	}
	began := time.Now()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	got, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, response.Body, make([]byte, 256<<10))
	switch {
	case err != nil:
		return 0, err
	case response.StatusCode >= 300, method == "GET" && got != n:
		return 0, fmt.Errorf("status %d with %d bytes", response.StatusCode, got)
	}
	return float64(n) / 1e6 / time.Since(began).Seconds(), nil
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
