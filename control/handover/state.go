package handover

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// State is what the new process begins with.
type State struct {
	Listeners map[string][]int // sockets by address
	Admin     map[string]int
	QUIC      map[string]QUICSocket // by the address of the listener
	Servers   []Server
	Tickets   *Tickets // nil: the other process has none
	// Files is what belongs into files of the data directory, by name. The disk may not have taken it; empty text stands for a file that is not to be there.
	Files    map[string][]byte
	Confined bool
}

// QUICSocket is the UDP socket of an address and the way to the process whose connections have the tags.
type QUICSocket struct {
	Socket, Succession int
	Tags               [][]byte
}

// SendState says everything up to Begin.
func (c *Channel) SendState(by time.Time, s State) error {
	for address, fds := range s.Listeners {
		for ; len(fds) > 0; fds = fds[min(len(fds), descriptorsMax):] {
			if err := c.SendPatiently(by, Message{Kind: Listener, Address: address}, fds[:min(len(fds), descriptorsMax)]...); err != nil {
				return err
			}
		}
	}
	for address, fd := range s.Admin {
		if err := c.SendPatiently(by, Message{Kind: Admin, Address: address}, fd); err != nil {
			return err
		}
	}
	for address, q := range s.QUIC {
		if err := c.SendPatiently(by, Message{Kind: QUIC, Address: address, Tags: q.Tags}, q.Socket, q.Succession); err != nil {
			return err
		}
	}
	for list := s.Servers; len(list) > 0; list = list[min(len(list), serversMax):] {
		if err := c.SendPatiently(by, Message{Kind: Health, Servers: list[:min(len(list), serversMax)]}); err != nil {
			return err
		}
	}
	if s.Tickets != nil {
		if err := c.SendPatiently(by, Message{Kind: Secrets, Tickets: s.Tickets}); err != nil {
			return err
		}
	}
	for name, text := range s.Files {
		if err := c.sendFile(by, name, text); err != nil {
			return err
		}
	}
	return c.SendPatiently(by, Message{Kind: Begin, Confined: s.Confined})
}

// sendFile sends the text in parts. A text beyond answerMax is left to the disk: nobody would take it.
func (c *Channel) sendFile(by time.Time, name string, text []byte) error {
	if len(text) > answerMax {
		return nil
	}
	for more := true; more; {
		part := text[:min(len(text), partMax)]
		text = text[len(part):]
		more = len(text) > 0
		if err := c.SendPatiently(by, Message{Kind: File, Address: name, Body: part, More: more}); err != nil {
			return err
		}
	}
	return nil
}

// ReceiveState hears what SendState says. The descriptors are the caller's.
func (c *Channel) ReceiveState(by time.Time) (*State, error) {
	s := &State{Listeners: map[string][]int{}, Admin: map[string]int{}, QUIC: map[string]QUICSocket{}, Files: map[string][]byte{}}
	for {
		m, fds, err := c.Receive(by)
		if err != nil {
			return nil, fmt.Errorf("hand-over: %w", err)
		}
		switch m.Kind {
		case Listener:
			s.Listeners[m.Address] = append(s.Listeners[m.Address], fds...)
		case Admin:
			s.Admin[m.Address] = fds[0]
		case QUIC:
			if len(fds) != 2 {
				closeAll(fds)
				continue
			}
			s.QUIC[m.Address] = QUICSocket{fds[0], fds[1], m.Tags}
		case Health:
			s.Servers = append(s.Servers, m.Servers...)
		case Secrets:
			s.Tickets = m.Tickets
		case File:
			s.Files[m.Address] = append(s.Files[m.Address], m.Body...)
		case Begin:
			s.Confined = m.Confined
			return s, nil
		}
	}
}

// ErrEnded says that the other process ended before it said what was expected.
var ErrEnded = errors.New("it ended")

// Expect waits for a message of the kind, or for what the other end says in its place.
func (c *Channel) Expect(kind string, by time.Time) (Message, error) {
	return c.ExpectAfter(kind, by, func(_ Message, fds []int) { closeAll(fds) })
}

// pauseLeast is how much later than its time a wait ends if this process did not run meanwhile. The other one, which may not have run either, then has so long to say what it has not.
const pauseLeast = time.Second

// ExpectAfter is Expect; each gets what is said before, with its descriptors.
func (c *Channel) ExpectAfter(kind string, by time.Time, each func(Message, []int)) (Message, error) {
	for {
		m, fds, err := c.Receive(by)
		switch {
		case errors.Is(err, io.EOF):
			return m, fmt.Errorf("%w before it was %s", ErrEnded, kind)
		case errors.Is(err, os.ErrDeadlineExceeded) && time.Since(by) > pauseLeast:
			by = time.Now().Add(pauseLeast)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return m, fmt.Errorf("it was not %s in time", kind)
		case err != nil:
			return m, err
		case m.Kind == kind:
			return m, nil
		case m.Kind == Failed:
			return m, fmt.Errorf("it says: %s", m.Why)
		default:
			each(m, fds)
		}
	}
}
