package main

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// A question is one comparison. Each is in a file of its own, named after it.
type question struct {
	Name string
	Asks string // the question as a sentence

	// subjects are the proxies that it is put to, in the order of the first round.
	subjects []string
	// figures name what measure returns, in the order of printing.
	figures []figure
	// targets are what weir must reach.
	targets []target
	// rounds, when not 0, caps the number of rounds.
	rounds int
	// needs, when set, says why the question cannot be asked here.
	needs func() error
	// prepare, when set, runs once before the first round.
	prepare func(ctx context.Context, b *bed) error
	// measure puts the question to one proxy once.
	measure func(ctx context.Context, b *bed, s *subject) (sample, error)
}

// A figure is one kind of number with its unit.
type figure struct {
	Name, Unit string
}

// A sample is what one measurement returned, by figure.
type sample map[string]float64

// A target compares weir with a peer, or with a fixed bound when it names no peer.
type target struct {
	Figure  string
	Peer    string  // "" for a bound of weir's own value
	Bound   float64 // of the ratio weir/peer, or of the value
	AtLeast bool    // the bound is a lower one
}

// questions is the table. Their order is the order of the run.
func questions() []*question {
	return []*question{
		keepAlive(),
		overTLS(),
		overHTTP2(),
		http2Answers(),
		http2Servers(),
		webSocket(),
		answers100kB(),
		answers1MB(),
		requestBodies(),
		peak(),
		latency(),
		newConnections(),
		fullHandshakes(),
		resumedHandshakes(),
		idleMemory(),
		idleMemoryTLS(),
		distance(),
		overLoss(),
		tunnelBulk(),
		tunnelKeepAlive(),
		tunnelConnections(),
		tunnelMemory(),
		datagrams(),
		besideCaddy(),
		overHTTP3(),
		http3Answers(),
		idle(),
	}
}

// choose returns the questions named in a comma-separated list, or all that can be asked here.
func choose(names string) ([]*question, error) {
	all := questions()
	var chosen []*question
	if names == "" {
		for _, q := range all {
			if err := q.possible(); err != nil {
				fmt.Fprintf(os.Stderr, "%v; it is left out\n", err)
				continue
			}
			chosen = append(chosen, q)
		}
		return chosen, nil
	}
	for name := range strings.SplitSeq(names, ",") {
		q := find(all, name)
		if q == nil {
			return nil, fmt.Errorf("no question %q; -h lists them", name)
		}
		if err := q.possible(); err != nil {
			return nil, err
		}
		chosen = append(chosen, q)
	}
	return chosen, nil
}

// possible says why the question cannot be asked here.
func (q *question) possible() error {
	if q.needs == nil {
		return nil
	}
	if err := q.needs(); err != nil {
		return fmt.Errorf("%s: %w", q.Name, err)
	}
	return nil
}

// find returns the question of that name, or nil.
func find(all []*question, name string) *question {
	for _, q := range all {
		if q.Name == name {
			return q
		}
	}
	return nil
}

// beside returns the targets of one figure against nginx and against HAProxy.
func beside(figure string, nginx, haproxy float64) []target {
	return []target{
		{Figure: figure, Peer: "nginx", Bound: nginx},
		{Figure: figure, Peer: "haproxy", Bound: haproxy},
	}
}
