package textfile

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// A file system may answer nothing any more, as one of a network whose server is gone, and whoever asks it waits in the system for as long as that lasts. A start or a reload that names a thousand
// such files must end all the same, and hold few threads.
const (
	answerMost  = 3 * time.Second        // how long an answer may take
	hasteMost   = 300 * time.Millisecond // likewise, while another one has not come
	hangingMost = 32                     // answers that may be missing; with more nothing is asked
)

// hanging counts the answers of the process that have not come in time.
var hanging atomic.Int32

// Stat is os.Stat of a file whose system may not answer.
func Stat(name string) (os.FileInfo, error) {
	return answer(name, answerMost, func() (os.FileInfo, error) { return os.Stat(name) })
}

// ReadDir is os.ReadDir of a directory whose system may not answer.
func ReadDir(name string) ([]os.DirEntry, error) {
	return answer(name, answerMost, func() ([]os.DirEntry, error) { return os.ReadDir(name) })
}

// Ask runs f, which asks the file system of name, and gives it up if it does not answer.
func Ask(name string, f func() error) error {
	_, err := answer(name, answerMost, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

// answer runs f, which asks the file system of name, and waits for it for so long at most.
func answer[T any](name string, most time.Duration, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	switch n := hanging.Load(); {
	case n >= hangingMost:
		return none, notAnswering(name)
	case n > 0:
		most = hasteMost
	}
	came, late := make(chan result, 1), new(atomic.Bool)
	go func() {
		value, err := f()
		came <- result{value, err}
		if !late.CompareAndSwap(false, true) {
			hanging.Add(-1)
		}
	}()
	wait := time.NewTimer(most)
	defer wait.Stop()
	select {
	case r := <-came:
		return r.value, r.err
	case <-wait.C:
	}
	hanging.Add(1)
	if !late.CompareAndSwap(false, true) { // it came at the last moment
		hanging.Add(-1)
		r := <-came
		return r.value, r.err
	}
	return none, notAnswering(name)
}

func notAnswering(name string) error {
	return fmt.Errorf("%s: its file system does not answer", name)
}
