package lifecycle

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/pool"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A case is a file: the running configuration, the new one, and the plan that comes of them.
func TestPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/plan/*.txt")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d cases: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(string(text), "---\n")
		if len(parts) != 3 {
			t.Fatalf("%s: want the old configuration, the new one and the plan", file)
		}
		before := built(t, file, parts[0], nil)
		after := built(t, file, parts[1], before)
		var got strings.Builder
		newPlan(before, after, nothingDrains).Write(&got)
		if *update {
			parts[2] = got.String()
			if err := os.WriteFile(file, []byte(strings.Join(parts, "---\n")), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if got.String() != parts[2] {
			t.Errorf("%s; go test -update writes it anew\n--- got\n%s--- want\n%s", file, got.String(), parts[2])
		}
	}
}

func nothingDrains(engine.Address) bool { return false }

// A listener that is brought back goes on with what it still carries.
func TestPlansNameWhatStillDrains(t *testing.T) {
	const one = "listeners: { a: \"127.0.0.1:80\" }\nsites: { \"*\": { respond: 404 } }\nadmin: off\n"
	before := built(t, "before", one, nil)
	after := built(t, "after", strings.Replace(one, "a:", "b: \"127.0.0.1:81\", c: \"127.0.0.1:83\", a:", 1), before)
	plan := newPlan(before, after, func(a engine.Address) bool { return a.String() == "127.0.0.1:81" })
	var got []string
	for _, c := range plan.Changes {
		got = append(got, c.Details...)
	}
	if want := []string{"opens 127.0.0.1:81 again: what it still carries goes on", "opens 127.0.0.1:83"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func built(t *testing.T, name, text string, previous *snapshot.Snapshot) *snapshot.Snapshot {
	t.Helper()
	cfg, problems := config.Parse(name, []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s, problems := snapshot.Build(cfg, previous, 1)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return s
}

// What is said only until the next reload ends with any, whether or not the pool changes; the plan says so either way.
func TestPlansNameWhatTheReloadEnds(t *testing.T) {
	const pools = "listeners: { http: \":80\" }\npools: { app: { servers: [10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80], health: { path: /, every: %ds } } }\nsites: { a: app }\nadmin: off\n"
	for _, seconds := range []int{2, 3} {
		before := built(t, "before", fmt.Sprintf(pools, 2), nil)
		for server, o := range map[string]pool.Override{
			"10.0.0.1:80": {HasState: true, State: pool.Disabled, UntilReload: true},
			"10.0.0.2:80": {HasWeight: true, Weight: 3, UntilReload: true},
			"10.0.0.3:80": {HasState: true, State: pool.Drained},
		} {
			before.Destinations["app"].Pool.Override(server, func(to *pool.Override) { *to = o })
		}
		after := built(t, "after", fmt.Sprintf(pools, seconds), before)
		want := []string{
			"pools.app: server 10.0.0.1:80 was disabled by the operator, until this reload, which ends that",
			"pools.app: server 10.0.0.2:80 was given the weight 3 by the operator, until this reload, which ends that",
			"pools.app: server 10.0.0.3:80 was drained by the operator, and stays so; 'weir enable 10.0.0.3:80' ends that",
		}
		if got := newPlan(before, after, nothingDrains).Operator; !slices.Equal(got, want) {
			t.Errorf("every %d s: got\n%s\nwant\n%s", seconds, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// A plan counts the lines of a redirects file by what becomes of them; where they stand means nothing.
func TestPlansCountRedirects(t *testing.T) {
	dir := t.TempDir()
	with := func(lines string, previous *snapshot.Snapshot) *snapshot.Snapshot {
		if err := os.WriteFile(filepath.Join(dir, "moved.map"), []byte(lines), 0o644); err != nil {
			t.Fatal(err)
		}
		return built(t, filepath.Join(dir, "weir.yaml"), "listeners: { http: \":80\" }\nsites: { a: { redirects: moved.map, respond: 404 } }\nadmin: off\n", previous)
	}
	before := with("/a /1\n/b /2\n/c /3\n/d?x /4\n", nil)
	for _, c := range []struct{ lines, want string }{
		{"# others\n/d?x /4\n/c /3\n/a /1\n/b /2\n", ""},
		{"/a /1\n/b /5\n/c /3 301\n/e /6\n/%66 /7\n/g /8\n", "redirects: 3 added, 2 changed, 1 removed"},
		{"/a /1\n/b /2\n", "redirects: 2 removed"},
	} {
		plan := newPlan(before, with(c.lines, before), nothingDrains)
		var got []string
		for _, change := range plan.Changes {
			got = append(got, change.Details...)
		}
		if strings.Join(got, "; ") != c.want || len(plan.Changes) == 0 != (c.want == "") {
			t.Errorf("%q: %v, want %q", c.lines, plan.Changes, c.want)
		}
	}
}
