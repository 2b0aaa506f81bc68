package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// options are the command line.
type options struct {
	cases    string
	subjects string
	rounds   int
	seconds  int
	json     string
	write    bool
	before   string
	old      bool
}

func main() {
	if helps(os.Args) {
		return
	}
	var o options
	flag.StringVar(&o.cases, "cases", "", "comma-separated `names` of questions; all when empty")
	flag.StringVar(&o.subjects, "subjects", "nginx,haproxy,haproxy-splice,caddy,"+quicAlone+",weir", "comma-separated `names` of the proxies to load")
	flag.IntVar(&o.rounds, "rounds", 5, "interleaved rounds")
	flag.IntVar(&o.seconds, "seconds", 3, "seconds of load for each proxy and round")
	flag.StringVar(&o.json, "json", "", "`file` that takes the result as JSON")
	flag.BoolVar(&o.write, "write", false, "rewrite the table in docs/benchmarks.md")
	flag.BoolVar(&o.old, "old", false, "load the system's own nginx and HAProxy too, as nginx-old and haproxy-old, beside the newer ones")
	flag.StringVar(&o.before, "before", "", "`binary` of another weir that is loaded beside this one, as weir-before")
	flag.Usage = usage
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, o))
}

// helps does what this program is started once more for: the parts of a measurement whose work must be in nobody's figures. It reports whether it was one.
// Whoever starts os.Executable has to call it first, a test binary too: else that starts itself again and again.
func helps(args []string) bool {
	switch {
	case len(args) == 5 && args[1] == "hold":
		exit(hold(args[2], args[3], args[4]))
	case len(args) == 4 && args[1] == "datagrams":
		exit(sendDatagrams(args[2], args[3]))
	case len(args) == 5 && args[1] == "quic-go":
		exit(serveQUICAlone(args[2], args[3], args[4]))
	case len(args) == 2 && args[1] == "echo":
		exit(echo())
	default:
		return false
	}
	return true
}

// usage prints the flags and the questions.
func usage() {
	fmt.Fprintln(os.Stderr, "usage: go run ./test/bench [flags]")
	flag.PrintDefaults()
	fmt.Fprintln(os.Stderr, "\nquestions:")
	for _, q := range questions() {
		fmt.Fprintf(os.Stderr, "  %-18s %s\n", q.Name, q.Asks)
	}
}

// run asks the chosen questions and reports.
func run(ctx context.Context, o options) error {
	if o.rounds < 1 || o.seconds < 1 {
		return errors.New("-rounds and -seconds must be at least 1")
	}
	chosen, err := choose(o.cases)
	if err != nil {
		return err
	}
	names := strings.Split(o.subjects, ",")
	if o.old {
		names = append(names, "nginx-old", "haproxy-old")
		for _, q := range chosen {
			for _, name := range []string{"nginx", "haproxy"} {
				if slices.Contains(q.subjects, name) {
					q.subjects = append(q.subjects, name+"-old")
				}
			}
		}
	}
	if o.before != "" {
		names = append(names, weirBefore)
		for _, q := range chosen {
			q.subjects = append(q.subjects, weirBefore)
		}
	}
	bed, err := newBed(names, chosen, o.before)
	if err != nil {
		return err
	}
	defer bed.close()
	bed.seconds = o.seconds
	report := newReport(o)
	for _, q := range chosen {
		answer, err := ask(ctx, bed, q, o.rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", q.Name, err)
		}
		answer.print(os.Stdout)
		report.Answers = append(report.Answers, answer)
	}
	return report.keep(o)
}

// exit ends the program: 0 done, 1 not.
func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
