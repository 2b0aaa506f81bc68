//go:build !linux

package peers

import (
	"errors"
	"net"
	"time"
)

// A Link joins this machine to a network namespace of its own. There is none on this system.
type Link struct{ Here, There string }

// NewLink always fails here.
func NewLink(time.Duration) (*Link, error) { return nil, errors.New("a link with a delay needs Linux") }

func (*Link) Lose(float64)                          {}
func (*Link) Dial(string, string) (net.Conn, error) { return nil, errors.ErrUnsupported }
func (*Link) ListenPacket() (*net.UDPConn, error)   { return nil, errors.ErrUnsupported }
func (*Link) Close()                                {}
