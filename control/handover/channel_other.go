//go:build !linux

package handover

import (
	"errors"
	"os"
	"time"
)

var errSystem = errors.New("weir cannot be replaced in place on this system")

// Channel is one end.
type Channel struct{}

// Start cannot be done here.
func Start(string, []string) (*os.Process, *Channel, error) { return nil, nil, errSystem }

// Inherited is nil: nobody starts a process that takes over.
func Inherited() *Channel { return nil }

// Send fails.
func (c *Channel) Send(Message, ...int) error { return errSystem }

// SendPatiently fails.
func (c *Channel) SendPatiently(time.Time, Message, ...int) error { return errSystem }

// Receive fails.
func (c *Channel) Receive(time.Time) (Message, []int, error) { return Message{}, nil, errSystem }

// HangUp does nothing.
func (c *Channel) HangUp() {}

// Outlives is false.
func (c *Channel) Outlives(time.Duration) bool { return false }

// StaysAlive fails.
func (c *Channel) StaysAlive(time.Duration, time.Duration) error { return errSystem }

// HasEnded reports whether an error of a channel says that the other process is gone.
func HasEnded(err error) bool { return errors.Is(err, ErrEnded) }

// Close does nothing.
func (c *Channel) Close() {}
