package tidy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/test/peers"
)

// The units are right in the eyes of systemd's own tool, which needs no systemd that runs.
func TestUnitsAreWhatSystemdUnderstands(t *testing.T) {
	analyze, err := peers.Find("systemd-analyze")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, unit := range []string{"weir.service", "weir.socket"} {
		// The program need not be installed on the machine that tests it.
		text := strings.ReplaceAll(read(t, "packaging/"+unit), "/usr/local/bin/weir", "/bin/true")
		if err := os.WriteFile(filepath.Join(dir, unit), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(arguments ...string) string {
		command := exec.Command(analyze, arguments...)
		command.Dir = dir
		out, err := command.CombinedOutput()
		if err != nil {
			t.Errorf("systemd-analyze %s: %v\n%s", strings.Join(arguments, " "), err, out)
		}
		return string(out)
	}
	if said := run("verify", "./weir.service", "./weir.socket"); said != "" {
		t.Errorf("systemd-analyze verify: %s", said)
	}
	said := run("security", "--offline=yes", "./weir.service")
	exposure := regexp.MustCompile(`Overall exposure level for weir.service: ([0-9.]+)`).FindStringSubmatch(said)
	if exposure == nil {
		t.Fatalf("systemd-analyze security: %s", said)
	}
	if level, _ := strconv.ParseFloat(exposure[1], 64); level > 2 {
		t.Errorf("the service is exposed at level %v; want at most 2\n%s", level, said)
	}
}
