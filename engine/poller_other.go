//go:build !linux

package engine

import (
	"errors"
	"net/netip"
	"os"
)

const hasPoller = false

type poller struct{}

var errNoPoller = errors.New("BUG: no poller on this system")

// ErrNoSplice says that a connection's bytes cannot be moved by the kernel.
var ErrNoSplice = errors.New("no bare socket to splice")

func (l *Loop) openPoller() error { return errNoPoller }
func (l *Loop) closePoller()      {}
func (l *Loop) wakePoller()       {}
func (l *Loop) hasSends() bool    { return false }
func (l *Loop) sendTogether()     {}
func (l *Loop) run()              {}

func (e *Engine) Listen(address Address, config ListenConfig, h Handler) (*Listener, error) {
	return e.listenPortable(address, h)
}

// HasArrived cannot look here.
func HasArrived(Conn) bool { return false }

// Pass, CanPass and Take: there is no way here.
func Pass(Conn, func(fd int) error) error             { return ErrNotBare }
func CanPass(Conn) bool                               { return false }
func (e *Engine) Take(fd int, serve func(Conn)) error { return ErrNotBare }

// Leave and Settle: loops are locks here, and connections know theirs.
func Leave(Conn) *Moving                     { return nil }
func (l *Loop) Settle(*Moving) (Conn, error) { return nil, ErrNotBare }

// OriginalDestination and CanBeTransparent: no capture and no transparency here.
func OriginalDestination(Conn) (netip.AddrPort, bool) { return netip.AddrPort{}, false }
func CanBeTransparent() error                         { return errors.New("only Linux has it") }

// DeferAccept has no counterpart here.
func (ln *Listener) DeferAccept(bool) {}

// CanListen knows nothing here.
func CanListen(Address) error { return nil }

func (l *Loop) Dial(address Address, options DialOptions) (Conn, error) {
	return l.dialPortable(address, options)
}

func awaitForward(Conn, Forwarder, Conn) bool { return false }

func canSplice(dst, src Conn) bool { return false }

func mayReadNow(Conn) bool { return false }

func readNow(Conn, [][]byte) int { return 0 }

func splice(dst, src Conn, n int64, wait bool) (int64, error) { return 0, ErrNoSplice }

func loopbackCongestion() string { return "" }

func descriptorsMost() (accept, dial int64) { return 1 << 30, 1 << 30 }

func sendFile(Conn, *Workers, *os.File, int64, int64) (int64, error, bool) { return 0, nil, false }
