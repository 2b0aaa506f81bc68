package ftp

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/wire/ftp"
)

// replies takes what the server says, on a coroutine of its own: the end of a transfer comes when it comes.
type replies struct {
	c      *session
	looked int // how much had been read when others last had their turn
}

// repliesTurn is how many bytes of replies are taken before others of the loop get their turn.
const repliesTurn = 1 << 10

// Run passes replies on until the server ends.
func (r *replies) Run() {
	c := r.c
	for {
		c.Server.SetReadTimeout(c.setup.Idle)
		if c.fromServer.read-r.looked >= repliesTurn {
			r.looked = c.fromServer.read
			c.loop.Yield()
		}
		line, err := c.fromServer.next()
		if err == engine.ErrTimeout && !c.isOver {
			continue // the client's silence is what counts
		}
		if err == nil && !c.reply(line) {
			err = errNoReply
		}
		if err != nil {
			r.ended(err)
			return
		}
	}
}

var errNoReply = errors.New("the server does not speak FTP")

// Panicked ends the session.
func (r *replies) Panicked() { r.ended(nil) }

func (r *replies) ended(err error) {
	c := r.c
	c.replying = false
	if !c.isOver {
		c.isOver = true
		c.why = reason.TunnelServerReset
		if errors.Is(err, errNoReply) {
			c.why = reason.FTPServer
		}
		c.say(421, "Service not available")
		c.Client.Interrupt() // its coroutine looks, and ends
	}
	c.loop.Fire(&c.settled)
}

// reply takes a line of the server's; false for what is none.
func (c *session) reply(line []byte) bool {
	l, ok := ftp.ParseLine(line, c.within)
	if !ok {
		return false
	}
	code := c.within
	if code == 0 {
		code = l.Code
	}
	if c.within == 0 {
		c.leftOut = 0
	}
	c.within = code
	if l.IsLast {
		c.within = 0
	}
	if isPassive(code) && (len(c.pending) == 0 || c.pending[0].kind != passive && c.pending[0].kind != extended) {
		return false // the client, or what watches it, would take an address of the server's choice for the next transfer
	}
	if len(c.pending) == 0 { // unasked, as 421 is
		return c.toClient(append(append([]byte{}, line...), '\n'))
	}
	p := c.pending[0]
	if l.IsLast {
		c.hasBegun = code < 200
	}
	if l.IsLast && code >= 200 {
		c.pending = append(c.pending[:0], c.pending[1:]...)
	}
	sent := c.answer(p, code, l, line)
	if l.IsLast && p.kind == quit {
		c.isOver, c.why = true, reason.Done
		c.Client.Interrupt()
	}
	c.loop.Fire(&c.settled)
	return sent || c.isOver
}

// isPassive reports whether a reply with the code says where to connect to.
func isPassive(code int) bool { return code >= 227 && code <= 229 }

// answer is what the client gets of a line.
func (c *session) answer(p pending, code int, l ftp.Line, line []byte) bool {
	switch p.kind {
	case passive, extended:
		if !l.IsLast {
			return c.leavesOut(line)
		}
		return c.passiveReply(p.kind, code, l.Text)
	case active:
		if l.IsLast && code >= 300 {
			p.transfer.cancel()
		}
	case features:
		return c.feature(code, l, line)
	}
	return c.toClient(append(append([]byte{}, line...), '\n'))
}

// passiveReply opens a port for the client in place of the server's.
func (c *session) passiveReply(k kind, code int, text string) bool {
	server := c.Server.RemoteAddr().Addr()
	var port uint16
	ok := false
	switch code {
	case 227:
		var a netip.AddrPort
		a, ok = ftp.ParsePassive(text)
		port = a.Port() // its address may be any: the one behind NAT, or somebody else's
	case 229:
		port, ok = ftp.ParseExtendedPassive(text)
	default:
		return c.say(max(code, 400), "Passive mode refused")
	}
	if !ok || port == 0 {
		return c.say(425, "Passive mode failed")
	}
	c.replace(nil)
	own := c.Client.LocalAddr().Addr().Unmap()
	door, err := c.setup.open(c.loop, own, false)
	if err != nil {
		c.Detail(err.Error())
		return c.say(425, "No port for data connections")
	}
	c.newTransfer(door, netip.AddrPortFrom(server, port), true)
	if k == extended {
		return c.toClient([]byte("229 Entering Extended Passive Mode (|||" + portText(door.At().Port()) + "|)\r\n"))
	}
	if a := c.setup.Announce; a.IsValid() {
		own = a
	}
	b := ftp.AppendPort([]byte("227 Entering Passive Mode ("), netip.AddrPortFrom(own, door.At().Port()))
	return c.toClient(append(b, ").\r\n"...))
}

// feature passes a server's features on, but for those that weir has or has not itself.
func (c *session) feature(code int, l ftp.Line, line []byte) bool {
	if code == 211 && l.IsLast {
		return c.toClient(append(c.ownFeatures(), append(append([]byte{}, line...), '\n')...))
	}
	if code != 211 {
		return c.toClient(append(append([]byte{}, line...), '\n'))
	}
	name, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(l.Text)), " ")
	switch name {
	case "AUTH", "PBSZ", "PROT", "CCC", "EPRT", "EPSV", "LPRT", "LPSV":
		return c.leavesOut(line)
	}
	return c.toClient(append(append([]byte{}, line...), '\n'))
}

// leavesOut counts a line that the client does not get; false if that has no end.
func (c *session) leavesOut(line []byte) bool {
	c.leftOut += len(line) + 1
	return c.leftOut <= repliesMost
}
