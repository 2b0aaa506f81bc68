package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/control/textfile"
	"github.com/weir-proxy/weir/traffic/pool"
)

// operator remembers what the operator said of servers (drain, disable, weight), so that it lasts across reloads, new binaries and restarts: in memory, and in a file
// below data. Entries of pools and servers that the configuration does not have now stay: they may come back.
type operator struct {
	mu     sync.Mutex
	said   map[string]map[string]word // by pool and server
	file   string                     // "": none is kept
	kept   map[string][]byte          // of files, from the process before: it counts, and not what the disk has
	isLate bool                       // the file does not say yet what said does
	isTold bool                       // the operator was told that the disk has not taken it
	saving sync.Mutex                 // one write at a time, and the last one wins
}

// word is an entry of the file.
type word struct {
	State  string    `json:"state,omitempty"`
	Weight *int      `json:"weight,omitempty"`
	Since  time.Time `json:"since"`
}

const (
	operatorFile = "servers.json"
	operatorMost = 8 << 20 // bytes of the file
	saveWithin   = 2 * time.Second
)

// OperatorDirectory is where the operator's words are kept, below data.
func OperatorDirectory(data string) string { return filepath.Join(data, "operator") }

// KeptBelow are the directories below data that a Daemon writes into.
func KeptBelow() []string { return []string{"operator"} }

// follow reads the file of another directory of data. What is in memory is kept if there is none.
func (o *operator) follow(data string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	file := filepath.Join(OperatorDirectory(data), operatorFile)
	if file == o.file {
		return nil
	}
	o.file = file
	text, isKept := o.kept[file]
	o.kept = nil // only the first file is that of the process before
	if !isKept {
		var err error
		if text, err = textfile.ReadMost(file, operatorMost); errors.Is(err, os.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
	}
	o.isLate = isKept
	if len(text) == 0 && isKept {
		return nil
	}
	var said map[string]map[string]word
	if err := json.Unmarshal(text, &said); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	o.said = said
	return nil
}

// note takes over what has been said of a server of a pool.
func (o *operator) note(pool, server string, said pool.Override) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.isLate = true
	if said.UntilReload || !said.HasState && !said.HasWeight {
		delete(o.said[pool], server)
		return
	}
	w := word{Since: time.Now().UTC().Truncate(time.Second)}
	if said.HasState {
		w.State = said.State.String()
	}
	if said.HasWeight {
		w.Weight = &said.Weight
	}
	if o.said == nil {
		o.said = map[string]map[string]word{}
	}
	if o.said[pool] == nil {
		o.said[pool] = map[string]word{}
	}
	o.said[pool][server] = w
}

// apply says it again to the pools of a snapshot that do not know it: those of a process that starts, and those that have come back.
func (o *operator) apply(s *snapshot.Snapshot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, servers := range o.said {
		to := s.Destinations[name]
		if to == nil {
			continue
		}
		known := to.Pool.Overrides()
		for server, w := range servers {
			if _, is := known[server]; !is {
				to.Pool.Override(server, w.put)
			}
		}
	}
}

// put says w.
func (w word) put(o *pool.Override) {
	for _, s := range []pool.State{pool.Available, pool.Drained, pool.Disabled} {
		if w.State == s.String() {
			o.HasState, o.State = true, s
		}
	}
	if w.Weight != nil {
		o.HasWeight, o.Weight = true, *w.Weight
	}
}

// save writes the file, and returns once it is there, or with an error, which the operator is told, after saveWithin: a disk that hangs delays no command for longer, and the write goes on.
func (o *operator) save() error {
	err := o.writeWithin()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.isTold = err != nil
	return err
}

func (o *operator) writeWithin() error {
	done := make(chan error, 1)
	go func() { done <- o.write() }()
	select {
	case err := <-done:
		return err
	case <-time.After(saveWithin):
		return fmt.Errorf("%s is not written yet: the disk does not answer", o.file)
	}
}

// saveLate writes what is not in the file yet, and reports whether that ends a failure that the operator was told of.
func (o *operator) saveLate() bool {
	o.mu.Lock()
	isLate, isTold := o.isLate, o.isTold
	o.mu.Unlock()
	if !isLate || !o.saving.TryLock() { // a write that hangs is not joined by others
		return false
	}
	o.saving.Unlock()
	if o.writeWithin() != nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.isTold = false
	return isTold
}

// text is the file's name, and what belongs into it; empty if nothing has been said.
func (o *operator) text() (file string, text []byte, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.textHeld()
}

func (o *operator) textHeld() (file string, text []byte, err error) {
	maps.DeleteFunc(o.said, func(_ string, servers map[string]word) bool { return len(servers) == 0 })
	if len(o.said) == 0 {
		return o.file, nil, nil
	}
	text, err = json.MarshalIndent(o.said, "", "  ")
	return o.file, append(text, '\n'), err
}

func (o *operator) write() (err error) {
	o.saving.Lock()
	defer o.saving.Unlock()
	o.mu.Lock()
	file, text, err := o.textHeld()
	o.isLate = false // what is said from now on sets it again
	o.mu.Unlock()
	defer func() {
		if err != nil {
			o.mu.Lock()
			o.isLate = true
			o.mu.Unlock()
		}
	}()
	if err != nil || file == "" {
		return err
	}
	if len(text) > 0 {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		return textfile.Replace(file, text, 0o600)
	}
	if err = os.Remove(file); errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		err = nil
	}
	return err
}
