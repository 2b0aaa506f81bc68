package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

func overHTTP3() *question {
	return http3Question("http3", "What CPU time does a request of 128 bytes cost over HTTP/3 beside Caddy, which has the same QUIC below?", "/128", 8)
}

func http3Answers() *question {
	return http3Question("http3-1MB", "What CPU time does an answer of 1 MB cost over HTTP/3 beside Caddy?", "/1m", 1)
}

func http3Question(name, asks, path string, streams int) *question {
	return &question{
		Name:     name,
		Asks:     asks,
		subjects: []string{"caddy", quicAlone, "weir"},
		figures:  loadFigures,
		targets:  []target{{Figure: "cpu", Peer: "caddy", Bound: 0.6}},
		measure: func(ctx context.Context, b *bed, s *subject) (sample, error) {
			return loadWith(ctx, s, http3load{url: s.secure(path), seconds: b.seconds, streams: streams})
		},
	}
}

// http3Connections is how many connections of HTTP/3 are loaded.
const http3Connections = 16

// http3load is a run of quic-go's client.
type http3load struct {
	url     string
	seconds int
	streams int // requests under way on each connection
}

func (h http3load) run(ctx context.Context) (loaded, error) {
	var done, failed atomic.Int64
	var all sync.WaitGroup
	until := time.Now().Add(time.Duration(h.seconds) * time.Second)
	for range http3Connections {
		tr := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, QUICConfig: &quicgo.Config{}}
		defer tr.Close()
		client := &http.Client{Transport: tr}
		for range h.streams {
			all.Go(func() {
				for time.Now().Before(until) && ctx.Err() == nil {
					if err := getWhole(client, h.url); err != nil {
						failed.Add(1)
						return
					}
					done.Add(1)
				}
			})
		}
	}
	all.Wait()
	n := done.Load()
	if failed.Load() > 0 || n == 0 {
		return loaded{}, fmt.Errorf("%s over HTTP/3: %d done, %d failed", h.url, n, failed.Load())
	}
	return loaded{Requests: float64(n), Seconds: float64(h.seconds)}, nil
}

func getWhole(c *http.Client, url string) error {
	answer, err := c.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", answer.Status)
	}
	return nil
}
