package tidy

import (
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

// Work that runs before main, in an order that imports decide, cannot be followed by reading, nor kept out of a test.
func TestNothingRunsBeforeMain(t *testing.T) {
	allowed := map[string]string{
		"traffic/exchange/stages.go": "the table of stages refers to functions that refer to its names, which Go does not allow in a literal",
	}
	for _, p := range packages(t) {
		for _, f := range p.files {
			for _, d := range f.text.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if ok && fn.Recv == nil && fn.Name.Name == "init" && allowed[f.name] == "" {
					t.Errorf("%s: func init: build it in a New and hand it in", f.at(d.Pos()))
				}
			}
		}
	}
}

// A test that can be skipped is green when it proves nothing.
func TestNothingIsSkipped(t *testing.T) {
	eachCall(t, func(f *goFile, call *ast.CallExpr, on, method string) {
		if f.isTest() && (method == "Skip" || method == "Skipf" || method == "SkipNow") && (on == "t" || on == "b" || on == "f" || on == "tb") {
			t.Errorf("%s: %s.%s: a missing component is a failure that names the command which installs it", f.at(call.Pos()), on, method)
		}
	})
}

// A note to oneself is not done by being written down: it is an issue, or it is nothing.
func TestNothingIsLeftForLater(t *testing.T) {
	note := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)
	for _, p := range packages(t) {
		for _, f := range p.files {
			for _, group := range f.text.Comments {
				if word := note.FindString(group.Text()); word != "" {
					t.Errorf("%s: %s", f.at(group.Pos()), word)
				}
			}
		}
	}
}

// A wait without a deadline is one that a peer can make last for ever.
func TestNoDeadlineIsTakenAway(t *testing.T) {
	eachCall(t, func(f *goFile, call *ast.CallExpr, _, method string) {
		if f.isTest() || !strings.HasPrefix(method, "Set") || !strings.HasSuffix(method, "Deadline") || len(call.Args) != 1 {
			return
		}
		if lit, ok := call.Args[0].(*ast.CompositeLit); ok && len(lit.Elts) == 0 {
			t.Errorf("%s: %s(time.Time{}): set the deadline of what comes next", f.at(call.Pos()), method)
		}
	})
}

// Memory that a peer decides about is memory that a peer can exhaust: what is read whole has a bound.
func TestWhatIsReadWholeHasABound(t *testing.T) {
	allowed := map[string]string{
		"console/cli/input.go": "standard input of the operator's own command",
		"console/cli/fmt.go":   "standard input of the operator's own command",
	}
	used := map[string]bool{}
	eachCall(t, func(f *goFile, call *ast.CallExpr, on, method string) {
		if f.isTest() || strings.HasPrefix(f.name, "test/") || on != "io" || method != "ReadAll" {
			return
		}
		if inner, ok := call.Args[0].(*ast.CallExpr); ok {
			if sel, ok := inner.Fun.(*ast.SelectorExpr); ok && (sel.Sel.Name == "LimitReader" || sel.Sel.Name == "MaxBytesReader") {
				return
			}
		}
		if allowed[f.name] == "" {
			t.Errorf("%s: io.ReadAll without io.LimitReader", f.at(call.Pos()))
		}
		used[f.name] = true
	})
	for name := range allowed {
		if !used[name] {
			t.Errorf("%s reads nothing whole any more: take it out of the list", name)
		}
	}
}

// What a stage of an exchange or the engine waits for, it waits for through the engine: a sleep or a lock would stop every connection of the
// loop. The files named wait on goroutines of their own.
func TestLoopsDoNotSleep(t *testing.T) {
	eachCall(t, func(f *goFile, call *ast.CallExpr, on, method string) {
		onLoop := strings.HasPrefix(f.name, "traffic/exchange/") || strings.HasPrefix(f.name, "traffic/transport/") ||
			strings.HasPrefix(f.name, "traffic/tunnel/") || strings.HasPrefix(f.name, "traffic/site/") ||
			strings.HasPrefix(f.name, "traffic/filter/") || strings.HasPrefix(f.name, "wire/")
		if f.isTest() || !onLoop {
			return
		}
		if on == "time" && (method == "Sleep" || method == "Now" || method == "After" || method == "NewTimer" || method == "AfterFunc") {
			t.Errorf("%s: time.%s: a loop has its own clock and timers", f.at(call.Pos()), method)
		}
	})
	for _, p := range packages(t) {
		for _, f := range p.files {
			if !strings.HasPrefix(f.name, "traffic/exchange/") && !strings.HasPrefix(f.name, "traffic/transport/") || f.isTest() {
				continue
			}
			for _, i := range f.imports() {
				if i == "sync" {
					t.Errorf("%s: imports sync: what a loop owns needs no lock, and what it shares is atomic", f.name)
				}
			}
		}
	}
}

// The time of day is set by operators and time servers, by hours if need be. What weir decides, it decides by clocks that nobody sets: the loops' own,
// and time.Time values that carry the monotonic clock, which arithmetic on them uses. So nothing is decided by a number made of the time of day.
func TestNothingIsDecidedByTheTimeOfDay(t *testing.T) {
	allowed := map[string]string{
		"engine/engine.go":            "what loops tell people and protocols",
		"engine/turn.go":              "whole seconds, at which an idle process is woken: a clock that is set moves one look by less than that",
		"traffic/exchange/finish.go":  "the access log's time",
		"traffic/tunnel/log.go":       "the access log's time",
		"traffic/flow/flow.go":        "the access log's time",
		"traffic/files/conditions.go": "files' times of modification",
	}
	used := map[string]bool{}
	eachCall(t, func(f *goFile, call *ast.CallExpr, on, method string) {
		decides := strings.HasPrefix(f.name, "engine/") || strings.HasPrefix(f.name, "traffic/") || strings.HasPrefix(f.name, "wire/")
		if f.isTest() || !decides || !strings.HasPrefix(method, "Unix") && method != "Round" || on == "time" || on == "math" {
			return
		}
		if allowed[f.name] == "" {
			t.Errorf("%s: %s: take the loop's clock, or compare times themselves", f.at(call.Pos()), method)
		}
		used[f.name] = true
	})
	for name := range allowed {
		if !used[name] {
			t.Errorf("%s tells no time of day any more: take it out of the list", name)
		}
	}
}

// eachCall calls f for calls of the form on.method(…), with on's name.
func eachCall(t *testing.T, f func(file *goFile, call *ast.CallExpr, on, method string)) {
	t.Helper()
	for _, p := range packages(t) {
		for _, file := range p.files {
			ast.Inspect(file.text, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
					on := ""
					if id, ok := sel.X.(*ast.Ident); ok {
						on = id.Name
					}
					f(file, call, on, sel.Sel.Name)
				}
				return true
			})
		}
	}
}
