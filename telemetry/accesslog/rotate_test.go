package accesslog

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rotating makes an outlet with a rotation.
func rotating(t *testing.T, file string, r Rotation) *outlet {
	t.Helper()
	o, err := openOutlet(&WriterConfig{File: file, Rotation: r, Log: func(_ slog.Level, f string, args ...any) { t.Logf(f, args...) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		o.close()
		until(t, "old files are tidied after the end", func() bool { return !o.tidying.Load() })
	})
	return o
}

// put writes lines, and waits until they are written and old files are tidied.
func (o *outlet) put(t *testing.T, lines string) {
	t.Helper()
	if !o.pen.Put([]byte(lines)) || !o.pen.Flush(5*time.Second) {
		t.Fatal("not written")
	}
	for by := time.Now().Add(5 * time.Second); o.tidying.Load(); time.Sleep(time.Millisecond) {
		if time.Now().After(by) {
			t.Fatal("old files are not tidied")
		}
	}
}

// content is a file's text, uncompressed.
func content(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(file, gzipEnd) {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return string(b)
}

func TestAFullFileIsRotated(t *testing.T) {
	for _, compress := range []bool{false, true} {
		dir := t.TempDir()
		file := filepath.Join(dir, "access.log")
		foreign := []string{file + ".1", file + ".20261129T000000Z.bak", file + ".20261129T000000Z-x", filepath.Join(dir, "other.log.20261129T000000Z")}
		for _, name := range foreign {
			os.WriteFile(name, []byte("kept"), 0o600)
		}
		o := rotating(t, file, Rotation{Size: 10, Keep: 3, Compress: compress, Settle: time.Millisecond})
		for i := range 8 {
			o.put(t, fmt.Sprintf("line %d\n", i)) // 7 bytes: one of them fits
		}
		if got := content(t, file); got != "line 7\n" {
			t.Errorf("the file has %q", got)
		}
		old, err := rotated(file)
		if err != nil || len(old) != 3 {
			t.Fatalf("%v %v", old, err)
		}
		for i, name := range old {
			if got, want := content(t, name.name), fmt.Sprintf("line %d\n", 4+i); got != want || strings.HasSuffix(name.name, gzipEnd) != compress {
				t.Errorf("%s has %q, want %q", name.name, got, want)
			}
		}
		for _, name := range foreign {
			if content(t, name) != "kept" {
				t.Errorf("%s was touched", name)
			}
		}
	}
}

// A period counts from the last line, across restarts, and a file without lines is not rotated.
func TestAFileOfAnEarlierPeriodIsRotated(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	r := Rotation{Every: 24 * time.Hour, Keep: 7}
	o := rotating(t, file, r)
	o.put(t, "one\n")
	o.close()
	o = rotating(t, file, r)
	o.put(t, "two\n")
	o.close()
	if old, _ := rotated(file); len(old) != 0 {
		t.Errorf("rotated within the period: %v", old)
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	os.Chtimes(file, yesterday, yesterday)
	o = rotating(t, file, r)
	o.put(t, "three\n")
	old, _ := rotated(file)
	if len(old) != 1 || content(t, old[0].name) != "one\ntwo\n" || content(t, file) != "three\n" {
		t.Errorf("%v, and the file has %q", old, content(t, file))
	}
}

func TestPeriodsEndAtMidnightWhereTheLocalTimeSaysSo(t *testing.T) {
	r := Rotation{Every: 24 * time.Hour}
	zone := time.FixedZone("", 2*3600)
	before, after := time.Date(2026, 11, 29, 23, 59, 59, 0, zone), time.Date(2026, 11, 30, 0, 0, 0, 0, zone)
	if r.period(before)+1 != r.period(after) || r.period(after) != r.period(after.Add(24*time.Hour-time.Second)) {
		t.Errorf("%d %d", r.period(before), r.period(after))
	}
}

// While a process replaces another, both write to the file, and each follows the other's rotation.
func TestTwoProcessesRotateOneFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	r := Rotation{Size: 1000, Keep: 1000}
	a, b := rotating(t, file, r), rotating(t, file, r)
	var want int
	for i := range 2000 {
		o := a
		if i%2 == 1 {
			o = b
		}
		o.put(t, fmt.Sprintf("%08d\n", i))
		want += 9
	}
	got := len(content(t, file))
	old, _ := rotated(file)
	for _, name := range old {
		n := len(content(t, name.name))
		if got += n; n > 2*1000 {
			t.Errorf("%s has %d bytes", name.name, n)
		}
	}
	if got != want {
		t.Errorf("%d bytes of %d in %d files", got, want, 1+len(old))
	}
}

// What cannot be rotated is written to as before.
func TestWhatCannotBeRotatedGoesOn(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	o := rotating(t, link, Rotation{Size: 10, Keep: 3})
	o.put(t, "line 1\n")
	o.put(t, "line 2\n")
	if st, _ := os.Lstat(link); st.Mode()&os.ModeSymlink == 0 || content(t, target) != "line 2\n" {
		t.Errorf("a symbolic link is not followed")
	}
	null := rotating(t, os.DevNull, Rotation{Size: 10, Keep: 3})
	null.put(t, "line 1\n")
	null.put(t, "line 2\n")
	if st, err := os.Stat(os.DevNull); err != nil || st.Mode().IsRegular() {
		t.Fatal("/dev/null was rotated")
	}
	gone := filepath.Join(dir, "gone")
	os.Mkdir(gone, 0o700)
	o = rotating(t, filepath.Join(gone, "log"), Rotation{Size: 10, Keep: 3})
	o.put(t, "line 1\n")
	os.Rename(gone, gone+"2")
	o.put(t, "line 2\n") // there is nowhere to rotate to
	if o.lost.Load() != 0 || content(t, filepath.Join(gone+"2", "log")) != "line 1\nline 2\n" {
		t.Error("lines were lost that the open file would have taken")
	}
}

// until waits until the condition holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for by := time.Now().Add(10 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(by) {
			t.Fatal(what)
		}
	}
}

// areTidy reports whether there are that many old files, all of them compressed if they are to be, and nothing half-written.
func areTidy(file string, r *Rotation, want int) bool {
	old, _ := rotated(file)
	for _, f := range old {
		if strings.HasSuffix(f.name, gzipEnd) != r.Compress {
			return false
		}
	}
	parts, _ := filepath.Glob(file + ".*" + partEnd)
	return len(old) == want && len(parts) == 0
}

// Files that are rotated while those before them wait to be compressed are tidied as well, without another rotation.
func TestRotationsCloseTogetherLeaveWhatIsToBeKept(t *testing.T) {
	for _, compress := range []bool{false, true} {
		file := filepath.Join(t.TempDir(), "access.log")
		r := Rotation{Size: 10, Keep: 2, Compress: compress, Settle: 200 * time.Millisecond}
		o := rotating(t, file, r)
		for i := range 14 {
			if !o.pen.Put(fmt.Appendf(nil, "line %02d\n", i)) || !o.pen.Flush(5*time.Second) {
				t.Fatal("not written")
			}
		}
		until(t, "old files are left", func() bool { return areTidy(file, &r, 2) })
		old, _ := rotated(file)
		for i, f := range old {
			if got, want := content(t, f.name), fmt.Sprintf("line %02d\n", 11+i); got != want {
				t.Errorf("%s has %q, want %q", f.name, got, want)
			}
		}
	}
}

// What beyond the number to be kept is removed at once, also while the others wait to be compressed.
func TestRemovingDoesNotWaitForCompressing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	o := rotating(t, file, Rotation{Size: 10, Keep: 2, Compress: true, Settle: time.Hour})
	for i := range 14 {
		if !o.pen.Put(fmt.Appendf(nil, "line %02d\n", i)) || !o.pen.Flush(5*time.Second) {
			t.Fatal("not written")
		}
	}
	until(t, "old files are left", func() bool { old, _ := rotated(file); return len(old) == 2 })
	o.close()
	until(t, "the closed outlet goes on", func() bool { return !o.tidying.Load() })
}

// A process that ended before its old files were tidied leaves them to the next one, with what it had half done.
func TestOldFilesAreTidiedAtTheStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	stamp := func(n int) string { return file + "." + time.Unix(1e9+int64(n), 0).UTC().Format(rotatedTime) }
	for i := range 5 {
		os.WriteFile(stamp(i), fmt.Appendf(nil, "line %d\n", i), 0o600)
	}
	os.WriteFile(stamp(4)+gzipEnd+partEnd, []byte("half"), 0o600) // of a process that was killed
	os.WriteFile(stamp(1)+gzipEnd+partEnd, []byte("half"), 0o600) // its file is not kept
	os.WriteFile(stamp(3)+gzipEnd, []byte("whole"), 0o600)        // killed before it removed the file
	r := Rotation{Size: 10, Keep: 2, Compress: true, Settle: time.Millisecond}
	rotating(t, file, r)
	until(t, "old files are left", func() bool { return areTidy(file, &r, 2) })
	if a, b := content(t, stamp(3)+gzipEnd), content(t, stamp(4)+gzipEnd); a != "line 3\n" || b != "line 4\n" {
		t.Errorf("they have %q and %q", a, b)
	}
}

// A file that another process compresses is left to it, and taken over when that has ended without having done so.
func TestAFileThatAnotherProcessCompressesIsLeftToIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	old := file + ".20261129T000000Z"
	os.WriteFile(old, []byte("line\n"), 0o600)
	part, err := os.Create(old + gzipEnd + partEnd)
	if err != nil || lock(part) != nil {
		t.Fatal(err)
	}
	r := Rotation{Size: 10, Keep: 2, Compress: true, Settle: time.Millisecond}
	o := rotating(t, file, r)
	until(t, "the file is not looked at", func() bool { return o.waits.Load() > 1 })
	if st, err := part.Stat(); err != nil || st.Size() != 0 || areTidy(file, &r, 1) {
		t.Error("two processes write to one file")
	}
	part.Close()
	until(t, "the file is not compressed", func() bool { return areTidy(file, &r, 1) })
}

// What fails is logged once, and tried again.
func TestTidyingThatFailsIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "access.log")
	old := file + ".20261129T000000Z"
	os.WriteFile(old, []byte("line\n"), 0o600)
	os.Mkdir(old+gzipEnd+partEnd, 0o700) // in the way
	o := rotating(t, file, Rotation{Size: 10, Keep: 2, Compress: true, Settle: time.Millisecond})
	until(t, "no second try", func() bool { return o.waits.Load() > 1 })
	os.Remove(old + gzipEnd + partEnd)
	until(t, "the file is not compressed", func() bool { return areTidy(file, &Rotation{Compress: true}, 1) })
}
