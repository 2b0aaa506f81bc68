package peers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Timeouts of a start and of a stop.
const (
	readyTimeout = 15 * time.Second
	stopTimeout  = 10 * time.Second
)

// A Process is one running program with all that it forked. Its methods are for one goroutine.
type Process struct {
	Name string
	Log  string // the file that takes its standard output and error

	cmd    *exec.Cmd
	exited chan struct{} // closed when the program has ended
	err    error         // how it ended; read after exited
}

// Start starts the command in a process group of its own, with dir as its working directory and its output in
// dir/name.log, and returns once every one of the addresses accepts connections.
func Start(name, dir string, cmd *exec.Cmd, addresses ...string) (*Process, error) {
	p := &Process{Name: name, Log: filepath.Join(dir, name+".log"), cmd: cmd, exited: make(chan struct{})}
	log, err := os.Create(p.Log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	started := make(chan error)
	go p.keep(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	for _, address := range addresses {
		if err := p.waitReady(address); err != nil {
			p.Stop()
			return nil, err
		}
	}
	return p, nil
}

// keep starts the program and waits for its end. It holds its thread all the while: the kernel ends the program, so that
// it does not outlive a test that panicked or was killed, when the thread that started it ends.
func (p *Process) keep(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.cmd.SysProcAttr = group(p.cmd.SysProcAttr)
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	close(p.exited)
}

// waitReady returns when the address accepts a connection, or with the program's last words when it does not.
func (p *Process) waitReady(address string) error {
	for deadline := time.Now().Add(readyTimeout); ; time.Sleep(10 * time.Millisecond) {
		if c, err := dialAny(address); err == nil {
			return c.Close()
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended before it listened (%v):\n%s", p.Name, p.err, p.lastWords())
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not listen on %s after %v:\n%s", p.Name, address, readyTimeout, p.lastWords())
		}
	}
}

// Pid returns the process id of the program's first process, which is also the id of its process group.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Alive reports whether the first process is still running.
func (p *Process) Alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Signal sends a signal to the first process.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Stop asks the program to end, waits, and ends by force what is left of its group.
func (p *Process) Stop() error {
	if p.Alive() {
		p.cmd.Process.Signal(syscall.SIGTERM)
	}
	var err error
	select {
	case <-p.exited:
	case <-time.After(stopTimeout):
		err = fmt.Errorf("%s: still there %v after SIGTERM", p.Name, stopTimeout)
	}
	if kill := syscall.Kill(-p.Pid(), syscall.SIGKILL); kill != nil && !errors.Is(kill, syscall.ESRCH) {
		err = errors.Join(err, kill)
	}
	<-p.exited
	return err
}

// lastWords returns the end of the log.
func (p *Process) lastWords() string {
	log, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
