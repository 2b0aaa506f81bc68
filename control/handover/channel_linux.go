package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// environment names the descriptor of the new process's end.
const environment = "WEIR_HANDOVER"

// Channel is one end. Send may be called from any goroutine, Receive from one at a time.
type Channel struct {
	fd        int
	hasHungUp atomic.Bool // this process has
	late      int         // messages in a row that were received after their time
}

// Start starts a program with the same arguments and the other end of a channel to it. The caller waits for the process.
func Start(program string, args []string) (*os.Process, *Channel, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	// Connections are passed on from loops, which never wait: what does not fit is tried again.
	syscall.SetsockoptInt(pair[0], syscall.SOL_SOCKET, syscall.SO_SNDBUF, 4<<20)
	theirs := os.NewFile(uintptr(pair[1]), "handover")
	defer theirs.Close()
	process, err := os.StartProcess(program, args, &os.ProcAttr{
		Env:   append(os.Environ(), environment+"=3"),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, theirs},
	})
	if err != nil {
		syscall.Close(pair[0])
		return nil, nil, err
	}
	return process, &Channel{fd: pair[0]}, nil
}

// Inherited is the end of a process that was started to take over; nil for every other.
func Inherited() *Channel {
	fd, err := strconv.Atoi(os.Getenv(environment))
	os.Unsetenv(environment)
	if err != nil {
		return nil
	}
	if kind, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE); err != nil || kind != syscall.SOCK_SEQPACKET {
		return nil
	}
	syscall.CloseOnExec(fd)
	return &Channel{fd: fd}
}

// Send says a message. It does not wait: what the other end has not read yet is bounded, and beyond that Send fails. The descriptors stay
// the caller's.
func (c *Channel) Send(m Message, fds ...int) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(text) > messageMax || len(fds) > descriptorsMax {
		return fmt.Errorf("hand-over: a message of %d bytes and %d descriptors", len(text), len(fds))
	}
	var rights []byte
	if len(fds) > 0 {
		rights = syscall.UnixRights(fds...)
	}
	_, err = syscall.SendmsgN(c.fd, text, rights, nil, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
	return os.NewSyscallError("sendmsg", err)
}

// SendPatiently is Send by a goroutine that may wait for the other end to read.
func (c *Channel) SendPatiently(by time.Time, m Message, fds ...int) error {
	for {
		err := c.Send(m, fds...)
		if !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.ETOOMANYREFS) || time.Now().After(by) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// Receive waits for a message, at most until by; the zero time waits for ever. A message that has come already is received even after by: this process may not have run meanwhile.
// io.EOF says that the other process has gone or has nothing more to say.
func (c *Channel) Receive(by time.Time) (m Message, fds []int, err error) {
	flags, err := c.wait(by)
	if err != nil {
		return m, nil, err
	}
	text := make([]byte, messageMax)
	rights := make([]byte, syscall.CmsgSpace(4*(descriptorsMax+3)))
	n, rn, _, _, err := syscall.Recvmsg(c.fd, text, rights, syscall.MSG_CMSG_CLOEXEC|flags)
	switch {
	case err == syscall.EINTR:
		return c.Receive(by)
	case err == syscall.EAGAIN:
		return m, nil, os.ErrDeadlineExceeded
	case err == syscall.ECONNRESET || err == nil && n == 0 && rn == 0:
		return m, nil, io.EOF
	case err != nil:
		return m, nil, os.NewSyscallError("recvmsg", err)
	}
	if fds, err = descriptors(rights[:rn]); err != nil {
		return m, nil, err
	}
	if err := json.Unmarshal(text[:n], &m); err != nil {
		closeAll(fds)
		return m, nil, fmt.Errorf("hand-over: %w", err)
	}
	return m, fds, nil
}

// lateMessagesMost is how many messages in a row are received after their time: more than the socket holds, and not all that a process says without end.
const lateMessagesMost = 20_000

// wait sets how long the next receive may take, and returns the flags for one that may not wait.
func (c *Channel) wait(by time.Time) (flags int, err error) {
	left := time.Duration(0) // for ever
	if !by.IsZero() {
		left = time.Until(by).Truncate(time.Microsecond) // less is for ever to the system
		if left <= 0 {
			if c.late++; c.late > lateMessagesMost {
				return 0, os.ErrDeadlineExceeded
			}
			return syscall.MSG_DONTWAIT, nil
		}
	}
	c.late = 0
	tv := syscall.NsecToTimeval(int64(left))
	return 0, syscall.SetsockoptTimeval(c.fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &tv)
}

func descriptors(rights []byte) (fds []int, err error) {
	messages, err := syscall.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		more, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			return nil, err
		}
		fds = append(fds, more...)
	}
	return fds, nil
}

// HangUp ends what both ends say, and a Receive that waits.
func (c *Channel) HangUp() {
	c.hasHungUp.Store(true)
	syscall.Shutdown(c.fd, syscall.SHUT_RDWR)
}

// Outlives waits for d and reports whether the other process is still there then. It returns true at once when this process hangs up.
func (c *Channel) Outlives(d time.Duration) bool {
	_, err := c.hear(time.Now().Add(d))
	return err == nil || errors.Is(err, os.ErrDeadlineExceeded) || c.hasHungUp.Load()
}

// ErrStalled says that the other process has stopped saying Alive.
var ErrStalled = errors.New("it stopped answering after it had begun to serve")

// StaysAlive waits until the other process has said Alive after d, or that it is told to stop. It returns ErrEnded if the process ends before, and ErrStalled if it says nothing for silence. It returns nil at once when
// this process hangs up. After a pause in which this process did not run, only what is said from then on tells that the other one is alive.
func (c *Channel) StaysAlive(d, silence time.Duration) error {
	asked := time.Now()
	for end := asked.Add(d); ; {
		m, err := c.hear(asked.Add(silence))
		now := time.Now()
		isPaused := now.Sub(asked) > silence+silence/4
		for isPaused && err == nil && m.Kind != Stopping {
			m, err = c.hear(asked)
		}
		asked = now
		switch {
		case c.hasHungUp.Load():
			return nil
		case errors.Is(err, io.EOF):
			return ErrEnded
		case isPaused && errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, os.ErrDeadlineExceeded):
			return ErrStalled
		case err != nil:
			return err
		case m.Kind == Stopping, m.Kind == Alive && !now.Before(end):
			return nil
		}
	}
}

// hear is Receive without descriptors.
func (c *Channel) hear(by time.Time) (Message, error) {
	m, fds, err := c.Receive(by)
	closeAll(fds)
	return m, err
}

// HasEnded reports whether an error of a channel says that the other process is gone.
func HasEnded(err error) bool {
	return errors.Is(err, ErrEnded) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// Close ends this end; the other one sees it. No Receive may be waiting.
func (c *Channel) Close() { syscall.Close(c.fd) }
