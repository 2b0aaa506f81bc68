package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/control/config"
)

const good = "pools: { a: x:1 }\nsites: { \"*\": a }\nlisteners: { l: \":80\" }\n"

// run runs the command line over a file with the text; FILE in args is its name.
func run(t *testing.T, p Program, text string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "FILE", file)
	}
	var out, errs bytes.Buffer
	status = Run(p, args, &out, &errs)
	return status, strings.ReplaceAll(out.String(), file, "FILE"), strings.ReplaceAll(errs.String(), file, "FILE")
}

func TestExitStatus(t *testing.T) {
	for _, c := range []struct {
		name, text string
		status     int
		args       []string
	}{
		{"a right file", good, 0, []string{"check", "-c", "FILE"}},
		{"a warning", good + "cache: 1\n", 0, []string{"check", "-c", "FILE"}},
		{"a wrong file", "poools: {}", 1, []string{"check", "-c", "FILE"}},
		{"no file", good, 1, []string{"check", "-c", "FILE.none"}},
		{"an unknown command", good, 2, []string{"chek"}},
		{"an unknown flag", good, 2, []string{"check", "--nope"}},
		{"an argument too many", good, 2, []string{"check", "FILE"}},
		{"an argument too few", good, 2, []string{"man"}},
		{"no argument", good, 0, nil},
		{"help", good, 0, []string{"check", "--help"}},
		{"not canonical", good + "\n\n\n", 1, []string{"fmt", "--check", "-c", "FILE"}},
		{"canonical", good, 0, []string{"fmt", "--check", "-c", "FILE"}},
		{"no YAML", "a: [", 1, []string{"fmt", "-c", "FILE"}},
		{"a directory that is not there", good, 1, []string{"man", "FILE/none"}},
	} {
		if status, out, errs := run(t, Program{}, c.text, c.args...); status != c.status {
			t.Errorf("%s: status %d, want %d\n%s%s", c.name, status, c.status, out, errs)
		}
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	_, out, _ := run(t, Program{}, "pools: { a: x:1 }\nsites: { \"*\": b }\n", "check", "-c", "FILE")
	want := `FILE:2:15: sites."*": no pool "b"; did you mean "a"?
    1 | pools: { a: x:1 }
    2 | sites: { "*": b }
      |               ^
1 problem; nothing was changed
`
	if out != strings.Replace(want, `; did you mean "a"?`, "", 1) {
		t.Errorf("got\n%s", out)
	}
}

func TestCheckRunsTheTestsOfTheFile(t *testing.T) {
	text := good + "tests: [{ request: http://x/, expect: a }, { name: second, request: http://x/, expect: a }]\n"
	p := Program{RunTests: func(cfg *config.Config) []config.TestResult {
		return []config.TestResult{{Index: 0}, {Index: 1, Failures: []string{"pool: want a, got b"}}}
	}}
	status, out, _ := run(t, p, text, "check", "-c", "FILE")
	want := "FILE:4:44: test failed: second\n      pool: want a, got b\nFILE: 1 site, 1 pool, 1 of 2 tests passed\n"
	if status != 1 || out != want {
		t.Errorf("status %d\n%s", status, out)
	}
	if status, _, errs := run(t, Program{}, text, "check", "-c", "FILE"); status != 1 || !strings.Contains(errs, "cannot run the tests") {
		t.Errorf("tests passed without having been run: %d %s", status, errs)
	}
}

func TestCheckAsksTheDaemonsSide(t *testing.T) {
	p := Program{Verify: func(cfg *config.Config) config.Problems {
		return config.Problems{cfg.ProblemAt("pools.a", "is not to be had")}
	}}
	status, out, _ := run(t, p, good, "check", "-c", "FILE")
	if status != 1 || !strings.HasPrefix(out, "FILE:1:13: pools.a: is not to be had\n") {
		t.Errorf("status %d\n%s", status, out)
	}
}

func TestCheckAsJSON(t *testing.T) {
	status, out, _ := run(t, Program{}, "poools: {}", "check", "--json", "-c", "FILE")
	var report checkReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	want := reportProblem{"FILE", 1, 1, "poools", "unknown key", "pools", false}
	if status != 1 || report.OK || len(report.Problems) != 1 || report.Problems[0] != want {
		t.Errorf("status %d: %+v", status, report)
	}
}

func TestFmtWritesTheFileAndKeepsItsMode(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte("pools:   {a:   \"x:1\"}   # remark\n\n\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if status := Run(Program{}, []string{"fmt", "-w", "-c", file}, &out, &out); status != 0 {
		t.Fatal(out.String())
	}
	text, _ := os.ReadFile(file)
	info, err := os.Stat(file)
	if err != nil || string(text) != "pools: { a: \"x:1\" }  # remark\n" || info.Mode().Perm() != 0o640 {
		t.Errorf("%q %v %v", text, info.Mode(), err)
	}
}

func TestEveryCommandHasAPageWithExamples(t *testing.T) {
	for _, c := range append(New(Program{}).Commands(), New(Program{})) {
		if c.Long == "" || c.Example == "" {
			t.Errorf("%s: no long text or no example", c.Name())
		}
	}
}

func TestManPagesAndCompletionAreWritten(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	if status := Run(Program{}, []string{"man", dir}, &out, &out); status != 0 {
		t.Fatal(out.String())
	}
	page, err := os.ReadFile(filepath.Join(dir, "weir-check.1"))
	if err != nil || !bytes.Contains(page, []byte("weir check")) {
		t.Errorf("%v\n%s", err, page)
	}
	if status := Run(Program{}, []string{"completion", "bash"}, &out, &out); status != 0 || !strings.Contains(out.String(), "bash completion") {
		t.Error("no completion")
	}
}

func TestSchemaVersionAndCommandsAreHandedIn(t *testing.T) {
	more := &cobra.Command{Use: "more", Run: func(c *cobra.Command, _ []string) { c.Print("more") }}
	p := Program{Schema: []byte("{}"), Version: "weir 1", Commands: []*cobra.Command{more}}
	for command, want := range map[string]string{"schema": "{}", "version": "weir 1\n", "--version": "weir 1\n", "more": "more"} {
		status, out, errs := run(t, p, good, command)
		if status != 0 || out+errs != want {
			t.Errorf("%s: %d %q %q", command, status, out, errs)
		}
	}
}

func TestMistypedCommandsAreCorrected(t *testing.T) {
	for typed, want := range map[string]string{"chekc": `unknown command "chekc"; did you mean "check"?`, "statsu": `did you mean "status"?`, "qqqqqqq": `unknown command "qqqqqqq"` + "\n"} {
		if status, out, errs := run(t, Program{}, good, typed); status != 2 || !strings.Contains(out+errs, want) {
			t.Errorf("%s: %d %q", typed, status, out+errs)
		}
	}
}

func TestNamesOfServersAreCompleted(t *testing.T) {
	address := answering(t, "GET", "/status", 200, sampleStatus())
	for _, command := range []string{"drain", "enable", "disable", "weight", "kill"} {
		_, out, errs := run(t, Program{}, good, "__complete", command, "--address", address, "a")
		if !strings.Contains(out, "a.internal:80\n") {
			t.Errorf("%s: %q %q", command, out, errs)
		}
		pool := sampleStatus().Pools[0].Name
		for server, has := range map[string]bool{"a.internal:80": true, "nobody:80": false} {
			if _, out, errs = run(t, Program{}, good, "__complete", command, server, "--address", address, "--pool", ""); strings.Contains(out, pool+"\n") != has {
				t.Errorf("%s %s --pool: %q %q", command, server, out, errs)
			}
		}
	}
}
