package accesslog

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const head = "#Version: 1.0\n#Fields: a\n"

// headed is an outlet of a format with directives.
func headed(t *testing.T, file string, r Rotation) *outlet {
	t.Helper()
	o, err := openOutlet(&WriterConfig{File: file, Rotation: r, Head: func(time.Time) string { return head }, Log: func(_ slog.Level, f string, args ...any) { t.Logf(f, args...) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.close() })
	return o
}

// limitedTo runs f while no file of this process may be longer than size, as on a full disk.
func limitedTo(t *testing.T, size uint64, f func()) {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was)
	f()
}

// A file that is begun while the disk is full has its directives before the first line that it takes; directives are no lost lines.
func TestAFileThatIsBegunOnAFullDiskHasItsHead(t *testing.T) {
	for _, room := range []uint64{0, 5, uint64(len(head)) - 1} {
		file := filepath.Join(t.TempDir(), "access.log")
		var o *outlet
		limitedTo(t, room, func() {
			o = headed(t, file, Rotation{})
			o.put(t, "")
			if n := o.allLost(); n != 0 {
				t.Errorf("room for %d bytes: %d directives are counted as lost lines", room, n)
			}
			o.put(t, "1\n2\n")
		})
		if n := o.allLost(); n != 2 {
			t.Errorf("room for %d bytes: %d of 2 lines are counted as lost", room, n)
		}
		o.put(t, "3\n")
		if got := content(t, file); got != head+"3\n" {
			t.Errorf("room for %d bytes: the file has %q", room, got)
		}
	}
}

// logrotate's copytruncate cuts the file that weir writes to.
func TestAFileThatIsCutBeginsWithItsHead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	o := headed(t, file, Rotation{})
	o.put(t, "1\n2\n")
	for i := range 3 {
		if err := os.Truncate(file, 0); err != nil {
			t.Fatal(err)
		}
		o.put(t, fmt.Sprintf("%d\n", i))
		if got := content(t, file); got != fmt.Sprintf("%s%d\n", head, i) {
			t.Errorf("the file has %q", got)
		}
	}
	if n := o.allLost(); n != 0 {
		t.Errorf("%d lines are lost", n)
	}
}

// A cut file is as small as it is: it is not rotated for what it once had.
func TestAFileThatIsCutIsNotFull(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	o := headed(t, file, Rotation{Size: 100, Keep: 9})
	o.put(t, strings.Repeat("1234567\n", 8))
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	o.put(t, strings.Repeat("1234567\n", 8))
	if old, _ := rotated(file); len(old) != 0 {
		t.Errorf("rotated: %v", old)
	}
}

// Files are rotated when they are full and not before, however many lines are written at a time, and by however many writers.
func TestRotatedFilesAreFull(t *testing.T) {
	for _, writers := range []int{1, 2, 4} {
		file := filepath.Join(t.TempDir(), "access.log")
		const size = 10_000
		r := Rotation{Size: size, Keep: 10_000}
		var all sync.WaitGroup
		for w := range writers {
			o := headed(t, file, r)
			all.Go(func() {
				for i := range 300 {
					o.put(t, strings.Repeat(fmt.Sprintf("%d %05d\n", w, i), 1+i*37%300))
				}
			})
		}
		all.Wait()
		want := 0
		for i := range 300 {
			want += writers * (1 + i*37%300)
		}
		old, err := rotated(file)
		if err != nil || len(old) < want*8/size/2 {
			t.Fatal(old, err)
		}
		got := strings.Count(content(t, file), "\n") - strings.Count(content(t, file), "#")
		for _, f := range old {
			text := content(t, f.name)
			got += strings.Count(text, "\n") - strings.Count(text, "#")
			if len(text) <= size-len("1 00000\n") || !strings.HasPrefix(text, head) {
				t.Errorf("%d writers: %s has %d bytes and begins with %.20q", writers, f.name, len(text), text)
			}
			if writers == 1 && len(text) > size {
				t.Errorf("%s has %d bytes", f.name, len(text))
			}
		}
		if got != want {
			t.Errorf("%d writers: %d lines of %d", writers, got, want)
		}
	}
}
