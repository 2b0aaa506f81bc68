package lifecycle

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-proxy/weir/traffic/pool"
)

// What a disk does not take is written once it does, and is what another process gets meanwhile.
func TestTheOperatorsWordIsWrittenOnceTheDiskTakesIt(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(data, nil, 0o600); err != nil { // no directory can be made there
		t.Fatal(err)
	}
	o := operator{}
	o.file = filepath.Join(OperatorDirectory(data), operatorFile)
	o.note("web", "a", pool.Override{HasState: true, State: pool.Drained})
	if o.save() == nil || o.saveLate() {
		t.Fatal("it is said to be written")
	}
	file, text, err := o.text()
	if err != nil || file != o.file || len(text) == 0 {
		t.Fatalf("%s: %q, %v", file, text, err)
	}
	next := operator{kept: map[string][]byte{file: text}}
	if err := next.follow(data); err != nil || next.said["web"]["a"].State != "drained" {
		t.Fatalf("the other process knows %v, %v", next.said, err)
	}
	if err := os.Remove(data); err != nil {
		t.Fatal(err)
	}
	if next.saveLate() {
		t.Error("the other process says that a failure has ended, and has told of none")
	}
	if written, err := os.ReadFile(file); string(written) != string(text) {
		t.Errorf("%q, want %q: %v", written, text, err)
	}
	if !o.saveLate() || o.saveLate() {
		t.Error("it is not said once that the disk takes it again")
	}
	// The operator took it back while the disk was full again: what the file says does not count.
	last := operator{kept: map[string][]byte{file: nil}}
	if err := last.follow(data); err != nil || len(last.said) > 0 {
		t.Errorf("%v, %v", last.said, err)
	}
	if last.saveLate() {
		t.Error("the removal of a file is said to end a failure")
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
}
