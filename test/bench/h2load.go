package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"

	"github.com/weir-proxy/weir/test/peers"
)

// streams is how many requests each connection of HTTP/2 has under way.
const streams = 10

// h2load is one run of nghttp2's load generator, over TLS.
type h2load struct {
	url     string
	seconds int
}

var (
	h2loadRequests = regexp.MustCompile(`requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored`)
)

// run loads the URL. An answer that is not 2xx is an error: a proxy that refuses is fast.
func (h h2load) run(ctx context.Context) (loaded, error) {
	program, err := peers.Find("h2load")
	if err != nil {
		return loaded{}, err
	}
	cmd := exec.CommandContext(ctx, program, "-t", strconv.Itoa(peers.Cores), "-c", strconv.Itoa(connections), "-m", strconv.Itoa(streams),
		"-D", strconv.Itoa(h.seconds), "--warm-up-time", "0", h.url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return loaded{}, fmt.Errorf("h2load: %w\n%s", err, out)
	}
	r := h2loadRequests.FindSubmatch(out)
	if r == nil {
		return loaded{}, fmt.Errorf("h2load:\n%s", out)
	}
	var n [3]float64
	for i := range n {
		n[i], _ = strconv.ParseFloat(string(r[i+1]), 64)
	}
	l := loaded{Requests: n[0], Seconds: float64(h.seconds), Failures: n[1] + n[2]}
	if l.Failures > 0 || l.Requests == 0 {
		return l, fmt.Errorf("h2load: %.0f of %.0f requests failed:\n%s", l.Failures, l.Requests, out)
	}
	return l, nil
}
