package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/weir-proxy/weir/test/peers"
)

// connections is how many the load comes on.
const connections = 64

//go:embed wrk.lua
var wrkScript string

// wrk is one run of the load generator of that name.
type wrk struct {
	url     string
	method  string // GET when empty
	body    int    // size of the request's body
	header  string // one line
	seconds int
}

// loaded is what wrk.lua reports.
type loaded struct {
	Requests float64
	Seconds  float64
	Failures float64 // answers that were not 2xx, and errors of the sockets
}

// run loads the URL. An answer that is not 200 is an error: a proxy that refuses is fast.
func (w wrk) run(ctx context.Context) (loaded, error) {
	program, err := peers.Find("wrk")
	if err != nil {
		return loaded{}, err
	}
	// Each of its threads reads the script anew, so it has to be a file.
	script, err := os.CreateTemp("", "weir-wrk-*.lua")
	if err != nil {
		return loaded{}, err
	}
	defer os.Remove(script.Name())
	defer script.Close()
	if _, err := script.WriteString(wrkScript); err != nil {
		return loaded{}, err
	}
	cmd := exec.CommandContext(ctx, program, "-t", strconv.Itoa(peers.Cores), "-c", strconv.Itoa(connections),
		"-d", strconv.Itoa(w.seconds)+"s", "-s", script.Name(), w.url, "--", w.method, strconv.Itoa(w.body), w.header)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return loaded{}, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	_, result, _ := strings.Cut(string(out), "RESULT ")
	var l loaded
	if err := json.Unmarshal([]byte(result), &l); err != nil {
		return l, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	if l.Failures > 0 || l.Requests == 0 {
		return l, fmt.Errorf("wrk: %.0f of %.0f requests failed:\n%s", l.Failures, l.Requests, out)
	}
	return l, nil
}
