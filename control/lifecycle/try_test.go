package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/test/peers"
)

// reloadable is a daemon whose configuration the test changes. FRONT and SECOND in it are free addresses, DIR is the test's directory.
type reloadable struct {
	*Daemon
	t             *testing.T
	dir           string
	front, second string
	text          string
}

func startReloadable(t *testing.T, text string) *reloadable {
	t.Helper()
	addresses, err := peers.FreeAddresses(2)
	if err != nil {
		t.Fatal(err)
	}
	r := &reloadable{t: t, dir: t.TempDir(), front: addresses[0], second: addresses[1]}
	r.write(text)
	r.Daemon, _, err = Start(Options{Loops: 1, Log: slog.New(slog.DiscardHandler),
		Load: func() (*config.Config, config.Problems) { return config.Parse("weir.yaml", []byte(r.text)) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		r.Stop(ctx, nil)
	})
	return r
}

func (r *reloadable) write(text string) {
	r.text = strings.NewReplacer("FRONT", r.front, "SECOND", r.second, "DIR", r.dir).Replace(text) + "\nadmin: off\n"
	if !strings.Contains(r.text, "\ndata:") {
		r.text += "data: " + r.dir + "/data\n"
	}
}

// agree wants the plan to be refused as the reload is, with the word; or both to be taken where it is "".
func (r *reloadable) agree(what, text, word string) config.Problems {
	r.t.Helper()
	r.write(text)
	_, problems, planned := r.Plan()
	_, _, done := r.Reload()
	for by, err := range map[string]error{"the plan": planned, "the reload": done} {
		if (err != nil) != (word != "") || err != nil && !strings.Contains(err.Error(), word) {
			r.t.Errorf("%s: %s says %v, want %q", what, by, err, word)
		}
	}
	return problems
}

// A plan is refused where the reload would be for its log, and leaves nothing behind.
func TestPlansTryTheLog(t *testing.T) {
	const with = "listeners: { a: \"FRONT\" }\nsites: { \"*\": { respond: 404 } }\nlogs: { access: LOG }"
	at := func(log string) string { return strings.Replace(with, "LOG", log, 1) }
	r := startReloadable(t, at("off"))
	if err := os.WriteFile(filepath.Join(r.dir, "text"), []byte("kept\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.agree("a directory that is missing", at("DIR/none/access.log"), "none/access.log: no such file")
	r.agree("a directory", at("DIR"), "is a directory")
	r.agree("a file in a file", at("DIR/text/access.log"), "not a directory")
	if _, err := os.Stat("/proc/self"); err == nil { // where nobody makes files, root neither
		r.agree("a directory that cannot be written", at("/proc/self/access.log"), "/proc/self/access.log")
	}
	r.write(at("DIR/new.log"))
	if _, _, err := r.Plan(); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(r.dir, "*.log")); len(left) > 0 {
		t.Errorf("the plan made %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(r.dir, ".weir*")); len(left) > 0 {
		t.Errorf("the plan left %v", left)
	}
	r.agree("a file that is there", at("DIR/text"), "")
	if text, _ := os.ReadFile(filepath.Join(r.dir, "text")); string(text) != "kept\n" {
		t.Errorf("the file has %q", text)
	}
}

// While a new binary takes over, a reload is put off, and a plan is not made either.
func TestPlansWaitForATakeover(t *testing.T) {
	r := startReloadable(t, "listeners: { a: \"FRONT\" }\nsites: { \"*\": { respond: 404 } }\nlogs: { access: off }")
	r.handing.Store(true)
	defer r.handing.Store(false)
	if _, _, err := r.Plan(); !errors.Is(err, api.ErrHanding) {
		t.Error(err)
	}
}

// A reload that moves the data where nothing can be kept is taken, and the plan and the reload warn of it.
func TestReloadsWarnOfADataDirectoryThatCannotBeMade(t *testing.T) {
	const plain = "listeners: { a: \"FRONT\" }\nsites: { \"*\": { respond: 404 } }\nlogs: { access: off }"
	r := startReloadable(t, plain)
	if err := os.WriteFile(filepath.Join(r.dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.write(plain + "\ndata: DIR/file")
	for _, do := range []func() (*api.Plan, config.Problems, error){r.Plan, r.Reload} {
		_, problems, err := do()
		if err != nil || len(problems) == 0 || problems[0].Pos.Line != 4 || !strings.Contains(problems[0].Message, "nothing can be kept there") {
			t.Errorf("%v, %v", problems, err)
		}
	}
}
