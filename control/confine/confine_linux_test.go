package confine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// confined runs the program below testdata and returns what it says.
func confined(t *testing.T, args ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "confined")
	build := exec.Command("go", "build", "-o", program, "./testdata/confined")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	os.Chmod(filepath.Dir(program), 0o755)
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func asRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("needs root: sudo make test")
	}
}

func TestAProcessThatIsAnotherUser(t *testing.T) {
	asRoot(t)
	secret := filepath.Join(t.TempDir(), "secret")
	os.WriteFile(secret, []byte("x"), 0o600)
	for who, ids := range map[string]string{"65534:65533": "65534 65534 65533 [65533]", "4711": "4711 4711 4711 [4711]", "nobody:daemon": "65534 65534 1 [1]"} {
		uid, _, _ := strings.Cut(ids, " ")
		want := fmt.Sprintf("error: <nil>\nkept: <nil>\nids: %s\nport 81: <nil>\nroot's file: true\nevery thread: map[%[2]s,%[2]s,%[2]s,%[2]s:true]\n", ids, uid)
		if got := confined(t, "drop", who, secret); got != want {
			t.Errorf("%s: %s\nwant %s", who, got, want)
		}
	}
	if got := confined(t, "drop", "nobody-has-this-name", secret); !strings.Contains(got, "error: user: unknown user nobody-has-this-name") || !strings.Contains(got, "ids: 0 0 0 ") {
		t.Errorf("an unknown user: %s", got)
	}
	if got := confined(t, "drop", "nobody:no-such-group", secret); !strings.Contains(got, "error: group: unknown group no-such-group") || !strings.Contains(got, "ids: 0 0 0 ") {
		t.Errorf("an unknown group: %s", got)
	}
}

func TestAProcessThatMayWriteInSomeDirectoriesOnly(t *testing.T) {
	mine, other := t.TempDir(), t.TempDir()
	got := confined(t, "writes", mine, other)
	const want = "error: <nil>\nwrites: true reads: true refuses: false false\nwrites: false reads: true refuses: true true\nnull: <nil>\n"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// owners are the user ids of the files, by name.
func owners(t *testing.T, files ...string) string {
	var list []string
	for _, f := range files {
		st, err := os.Lstat(f)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprint(filepath.Base(f), " ", st.Sys().(*syscall.Stat_t).Uid))
	}
	return strings.Join(list, ", ")
}

// What root gives to weir's user stays within the directory: links that the user has put there lead nowhere.
func TestWhatIsGivenIsBelowTheDirectory(t *testing.T) {
	asRoot(t)
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	os.WriteFile(outside, []byte("x"), 0o600)
	below := func(name string) string { return filepath.Join(dir, name) }
	os.MkdirAll(below("state/deep"), 0o700)
	os.MkdirAll(below("unnamed"), 0o700)
	for _, name := range []string{"state/file", "state/deep/file", "unnamed/file", "top", "state/foreign"} {
		os.WriteFile(below(name), []byte("x"), 0o600)
	}
	os.Chown(below("state/foreign"), 12, 12)
	if err := os.Symlink(outside, below("state/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(outside), below("state/dirlink")); err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(dir, "second-name")
	os.WriteFile(second, []byte("x"), 0o600)
	if err := os.Link(second, below("state/hard")); err != nil {
		t.Fatal(err)
	}
	if err := GiveBelow(dir, "4711", "state", "not-there"); err != nil {
		t.Fatal(err)
	}
	const want = "state 4711, file 4711, deep 4711, file 4711, unnamed 0, file 0, top 0, foreign 12, hard 0, link 0, dirlink 0, outside 0"
	if got := owners(t, below("state"), below("state/file"), below("state/deep"), below("state/deep/file"), below("unnamed"), below("unnamed/file"), below("top"), below("state/foreign"),
		below("state/hard"), below("state/link"), below("state/dirlink"), outside); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if err := GiveBelow(below("nowhere"), "4711"); err != nil {
		t.Error(err)
	}
	if err := GiveBelow(dir, "nobody-has-this-name"); err == nil {
		t.Error("an unknown user was taken")
	}
}

func TestAFileThatIsGiven(t *testing.T) {
	asRoot(t)
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	os.WriteFile(file, nil, 0o600)
	os.Symlink("/etc/hostname", link)
	for _, f := range []string{file, link, dir, filepath.Join(dir, "nowhere"), "/dev/null"} {
		if err := Give(f, "4711:4712"); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	if got := owners(t, file, link, dir, "/dev/null"); got != "file 4711, link 0, "+filepath.Base(dir)+" 0, null 0" {
		t.Error(got)
	}
}
