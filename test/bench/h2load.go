package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-proxy/weir/test/peers"
)

// h2load sends HTTP/1.1 requests at a constant rate and returns quantiles of their latency. Its own summary has no
// quantiles; they are taken from its log of every request. A request that finds its connection still busy starts
// late and is timed from there: the tail is a lower bound for all subjects alike.
func h2load(ctx context.Context, url string, rate float64, seconds int) (sample, error) {
	program, err := peers.Find("h2load")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "weir-h2load-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	log := filepath.Join(dir, "requests")
	out, err := exec.CommandContext(ctx, program, "--h1", "-t", "1", "-c", strconv.Itoa(connections), "-m", "1",
		"--rps", fmt.Sprintf("%.2f", rate/connections), "-D", strconv.Itoa(seconds), "--log-file", log, url).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("h2load: %w\n%s", err, out)
	}
	times, err := readTimes(log)
	if err != nil {
		return nil, fmt.Errorf("h2load: %w\n%s", err, out)
	}
	slices.Sort(times)
	return sample{
		"p50":   quantile(times, 0.5),
		"p99":   quantile(times, 0.99),
		"p99.9": quantile(times, 0.999),
		"rate":  float64(len(times)) / float64(seconds),
	}, nil
}

// readTimes reads the log: start, status and microseconds of each request.
func readTimes(log string) ([]float64, error) {
	f, err := os.Open(log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var times []float64
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 {
			return nil, fmt.Errorf("line %q of the log", lines.Text())
		}
		if fields[1] != "200" {
			return nil, fmt.Errorf("an answer with status %s", fields[1])
		}
		t, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return nil, err
		}
		times = append(times, t)
	}
	if len(times) == 0 {
		return nil, errors.New("no request in the log")
	}
	return times, nil
}

// quantile returns the value below which the part q of the sorted values lies.
func quantile(sorted []float64, q float64) float64 {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
