package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/weir-proxy/weir/control/config"
)

// watched are the files of a configuration, as it was read last. Any goroutine may use it.
type watched struct {
	mu    sync.Mutex
	files []string
	globs []string
}

// note remembers which files cfg came from, and where further ones may appear.
func (w *watched) note(cfg *config.Config) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files, w.globs = cfg.Files(), cfg.Include
}

// watchEvery is the time between two looks. A look is a stat for each file; a change is taken once two looks in a row agree, so that an
// editor or a checkout that writes several files is read when it has ended.
const watchEvery = 250 * time.Millisecond

// saved tells when a file of the configuration has changed, one has come, or one has gone, until ended is closed. It looks by name and follows
// links each time: an editor's rename over the file and the link that Kubernetes turns to another directory are changes like any other,
// where inotify would go on watching the old file (docs/decisions/0022-watching-by-looking.md). A reload that names other files is seen as
// one more change: reading once too often is harmless, and a change is never lost.
func (w *watched) saved(file string, ended <-chan struct{}) <-chan struct{} {
	c := make(chan struct{})
	go func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		taken := w.stamp(file)
		for seen := taken; ; {
			select {
			case <-ended:
				return
			case <-tick.C:
			}
			now := w.stamp(file)
			if now == seen && now != taken {
				select {
				case <-ended:
					return
				case c <- struct{}{}:
				}
				taken = now
			}
			seen = now
		}
	}()
	return c
}

// stamp is a line for each file, by which a change shows.
func (w *watched) stamp(file string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := append([]string{file}, w.files...)
	for _, glob := range w.globs {
		if !filepath.IsAbs(glob) {
			glob = filepath.Join(filepath.Dir(file), glob)
		}
		found, _ := filepath.Glob(glob)
		names = append(names, found...)
	}
	slices.Sort(names)
	var text strings.Builder
	for _, name := range slices.Compact(names) {
		if st, err := os.Stat(name); err == nil {
			fmt.Fprintf(&text, "%s %d %d %d\n", name, st.ModTime().UnixNano(), st.Size(), inode(st))
		}
	}
	return text.String()
}

func inode(st os.FileInfo) uint64 {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}
