package config

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Eight times the errors take about eight times as long: an editor that has spoilt a large file gets its answer at once.
func TestManyErrorsAreFoundInLinearTime(t *testing.T) {
	for name, write := range map[string]func(b *strings.Builder, n int){
		"unknown keys": func(b *strings.Builder, n int) {
			b.WriteString("sites: { '*': p0 }\npools:\n")
			for i := range n {
				fmt.Fprintf(b, "  p%d: { servers: [10.0.0.1:80], bogus%d: 1 }\n", i, i)
			}
		},
		"names of pools": func(b *strings.Builder, n int) {
			b.WriteString("pools:\n")
			for i := range n {
				fmt.Fprintf(b, "  p%d: { servers: [10.0.0.1:80] }\n", i)
			}
			b.WriteString("sites:\n")
			for i := range n {
				fmt.Fprintf(b, "  s%d.example.com: pp%d\n", i, i)
			}
		},
		"beside as many secrets": func(b *strings.Builder, n int) {
			b.WriteString("sites: { '*': p0 }\npools:\n")
			for i := range n {
				fmt.Fprintf(b, "  p%d: { servers: [10.0.0.1:80], bogus: 1, persistence: { cookie: c, secret: %032d } }\n", i, i)
			}
		},
		// From here on all stands in brackets: the parser's own work for other objects is not linear.
		"unknown keys at the top": func(b *strings.Builder, n int) {
			b.WriteString("{ sites: { '*': p0 }, pools: { p0: [10.0.0.1:80] }\n")
			for i := range n {
				fmt.Fprintf(b, ", bogus%d: 1\n", i)
			}
			b.WriteString("}\n")
		},
		"all in one line": func(b *strings.Builder, n int) {
			b.WriteString("{ sites: { '*': p0 }, pools: { p0: [10.0.0.1:80]")
			for i := range n {
				fmt.Fprintf(b, ", p%d: { servers: x:y, persistence: { cookie: c, secret: %032d } }", i+1, i)
			}
			b.WriteString(" } }\n")
		},
		"tests": func(b *strings.Builder, n int) {
			b.WriteString("sites: { '*': p0 }\npools: { p0: [10.0.0.1:80] }\ntests: [\n")
			for range n {
				b.WriteString("  { request: /, expect: { bogus: 1 } },\n")
			}
			b.WriteString("]\n")
		},
		"fallbacks in a circle": func(b *strings.Builder, n int) {
			b.WriteString("sites: { '*': p0 }\npools: {\n")
			for i := range n {
				fmt.Fprintf(b, "  p%d: { servers: [10.0.0.1:80], fallback: p%d },\n", i, (i+1)%n)
			}
			b.WriteString("}\n")
		},
		"split among pools": func(b *strings.Builder, n int) {
			b.WriteString("pools: { p0: [10.0.0.1:80] }\nsites: { '*': { split: {\n")
			for i := range n {
				fmt.Fprintf(b, "  q%d: 1,\n", i)
			}
			b.WriteString("} } }\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			takes := func(n, times int) (shortest time.Duration) {
				var b strings.Builder
				write(&b, n)
				for range times {
					began := used(t)
					_, problems := Parse("weir.yaml", []byte(b.String()))
					if took := used(t) - began; shortest == 0 || took < shortest {
						shortest = took
					}
					if got := len(problems.Errors()); got < n {
						t.Fatalf("%d errors of %d", got, n)
					}
				}
				return shortest
			}
			few, many := takes(1000, 4), takes(8000, 2)
			if many > 30*few {
				t.Errorf("1,000 errors take %v, and 8,000 take %v", few, many)
			}
		})
	}
}

// used is how much processor time the process has had: what others on the machine do does not count.
func used(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestManyProblemsArePrintedInPart(t *testing.T) {
	var problems Problems
	for i := range 1000 {
		problems = append(problems, Problem{Pos: Pos{"weir.yaml", i + 1, 1}, Message: "wrong", Warning: i%2 == 1})
	}
	var b strings.Builder
	if err := problems.Write(&b, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n400 more problems not shown; 'weir check --json' lists all\n", "\n400 more warnings not shown; 'weir check --json' lists all\n",
		"\n500 problems and 500 warnings; nothing was changed\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not said", want)
		}
	}
	if n := strings.Count(b.String(), "weir.yaml:"); n != 200 {
		t.Errorf("%d problems are printed", n)
	}
}
