package snapshot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/config"
)

// A key that is damaged is replaced, with a warning; one that cannot be read stays where it is, since it may be good.
func TestDamagedKeysAreReplacedAndTold(t *testing.T) {
	good := []byte(strings.Repeat("0123456789abcdef", 4) + "\n")
	write := func(text []byte) func(string) error {
		return func(file string) error { return os.WriteFile(file, text, 0o600) }
	}
	for _, c := range []struct {
		name    string
		put     func(file string) error
		says    string // of the warning; "": there is none
		isUsed  bool
		isSaved bool // a new key takes the file's place
	}{
		{name: "none", put: func(string) error { return nil }, isSaved: true},
		{name: "good", put: write(good), isUsed: true},
		{name: "empty", put: write(nil), says: "FILE is damaged, and a new key takes its place: LOST", isSaved: true},
		{name: "cut", put: write(good[:40]), says: "FILE is damaged, and a new key takes its place: LOST", isSaved: true},
		{name: "zeros", put: write(make([]byte, len(good))), says: "FILE is damaged, and a new key takes its place: LOST", isSaved: true},
		{name: "a pipe", put: func(file string) error { return syscall.Mkfifo(file, 0o600) }, says: "FILE is not a regular file, and a new key is used until the next start: LOST"},
		{name: "a directory", put: func(file string) error { return os.Mkdir(file, 0o700) }, says: "FILE is not a regular file, and a new key is used until the next start: LOST"},
		{name: "endless", put: func(file string) error { return os.Symlink("/dev/zero", file) }, says: "FILE is not a regular file, and a new key is used until the next start: LOST"},
		{name: "large", put: write(make([]byte, keyMost+1)), says: "FILE has more than 4096 bytes, and a new key is used until the next start: LOST"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "quic.key")
			if err := c.put(file); err != nil {
				t.Fatal(err)
			}
			was, _ := os.Lstat(file)
			began := time.Now()
			k := openKey(nil, file)
			k.Lost = "LOST"
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %v", took)
			}
			said := ""
			for _, p := range k.warning(&config.Config{}) {
				said = strings.ReplaceAll(p.Message, file, "FILE")
			}
			if said != c.says {
				t.Errorf("said %q, want %q", said, c.says)
			}
			if _, text := k.Kept(); string(text) == string(good) != c.isUsed || !isKey(text) {
				t.Errorf("the key is %q", text)
			}
			err := k.Save()
			now, _ := os.Lstat(file)
			if isSaved := was == nil || !os.SameFile(was, now); isSaved != c.isSaved || err != nil {
				t.Errorf("saved: %v, %v", isSaved, err)
			}
		})
	}
}

// Both keys of the data directory are told of, at a check and a start, once.
func TestASnapshotTellsOfDamagedKeys(t *testing.T) {
	data := t.TempDir()
	for _, name := range []string{"quic.key", "persistence.key"} {
		if err := os.WriteFile(filepath.Join(data, name), []byte("spoiled"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, problems := config.Parse("weir.yaml", []byte(`
listeners: { web: { address: "127.0.0.1:8443", tls: on } }
pools: { app: { servers: [10.0.0.1:80], persistence: { cookie: C } } }
sites: { "*": app }
data: `+data+"\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	first, problems := Build(cfg, nil, 1)
	said := ""
	for _, p := range problems {
		said += p.String() + "\n"
	}
	for _, want := range []string{"quic.key is damaged, and a new key takes its place: HTTP/3 clients wait for their idle timeout",
		"persistence.key is damaged, and a new key takes its place: clients lose their sticky servers"} {
		if strings.Count(said, want) != 1 || !strings.Contains(said, "weir.yaml:5:") {
			t.Errorf("want %q once, in line 5, in\n%s", want, said)
		}
	}
	if _, again := Build(cfg, first, 1); len(again) > 0 {
		t.Errorf("told again at a reload: %v", again)
	}
	if _, err := os.Stat(filepath.Join(data, "quic.key.next")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("building wrote something: %v", err)
	}
}
