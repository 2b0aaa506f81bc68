package textfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// Most is the size of the largest file that is read, in bytes.
const Most = 64 << 20

// pipeMost bounds the wait for what a pipe brings.
const pipeMost = 3 * time.Second

// Read reads a regular file of at most Most bytes. The error names it.
func Read(name string) ([]byte, error) { return ReadMost(name, Most) }

// ReadMost is Read for a file that has at most so many bytes.
func ReadMost(name string, most int64) ([]byte, error) {
	return answer(name, answerMost, func() ([]byte, error) { return read(name, most) })
}

func read(name string, most int64) ([]byte, error) {
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	return readAll(f, name, most)
}

// ReadAny reads a file, or what a pipe brings within a few seconds; of more than most bytes it returns one more than that.
func ReadAny(name string, most int64) ([]byte, error) {
	return answer(name, pipeMost+answerMost, func() ([]byte, error) { return readAny(name, most) })
}

func readAny(name string, most int64) ([]byte, error) {
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	f.SetReadDeadline(time.Now().Add(pipeMost)) // regular files have none
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("%s: nothing more came within %v", name, pipeMost)
	}
	return data, err
}

// open does not wait for somebody at the other end of a pipe.
func open(name string) (*os.File, error) { return os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) }

func readAll(f *os.File, name string, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return data, err
}
