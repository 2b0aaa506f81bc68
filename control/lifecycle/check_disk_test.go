package lifecycle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/test/peers"
)

// A directory of data that is not there and cannot be made is warned of at its place. One that can be is not, and is not made.
func TestACheckWarnsOfADataDirectoryThatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	address, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	for data, want := range map[string]string{
		dir:                "",
		dir + "/a/b/c":     "",
		dir + "/file":      "nothing can be kept there: " + dir + "/file is not a directory; weir starts all the same, and each start makes new keys",
		dir + "/file/data": "nothing can be kept there: stat " + dir + "/file/data: not a directory; weir starts all the same, and each start makes new keys",
		"":                 "", // the default
		"/proc/nope":       "cannot be made",
	} {
		if _, err := os.Stat("/proc/self"); err != nil && strings.HasPrefix(data, "/proc") {
			continue
		}
		text := "listeners: { a: \"" + address + "\" }\nsites: { \"*\": { respond: 404 } }\nadmin: off\nlogs: { access: off }\n"
		if data != "" {
			text += "data: " + data + "\n"
		}
		cfg, problems := config.Parse("weir.yaml", []byte(text))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		said := ""
		for _, p := range Check(cfg) {
			if said += p.Message; !p.Warning || p.Pos.Line != 5 {
				t.Errorf("%s: %+v", data, p)
			}
		}
		if data != "" && strings.HasPrefix(data, "/proc") && os.Getuid() != 0 {
			want = "you may not write there"
		}
		if (said == "") != (want == "") || !strings.Contains(said, want) {
			t.Errorf("%s: said %q, want %q", data, said, want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("the check left %v", left)
	}
}
