package ftp

import (
	"errors"
	"io"
	"net/netip"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/tunnel"
	"github.com/weir-proxy/weir/wire/ftp"
)

// session is a control connection. Two coroutines of one loop run it: the client's, and that of the server's replies.
type session struct {
	*tunnel.Session
	setup *Setup
	loop  *engine.Loop

	fromClient lines
	fromServer lines
	way        *tunnel.Way // once it is chosen
	isSecure   bool        // TLS with the client
	protects   bool        // data connections of the client too
	secure     *Secure     // TLS with the server; nil: clear
	epsvAll    bool

	pending  []pending // commands whose last reply has not come
	settled  engine.Signal
	replying bool // the coroutine of the replies runs
	meeting  bool // the server is being met: it has not said all that it says first
	within   int  // code of the reply that is being read
	leftOut  int  // bytes of it that the client does not get
	hasBegun bool // the first pending command has had a preliminary reply: its transfer is under way
	data     *transfer
	open     []*transfer // all of them, also those that data does not wait for any more
	isBroken bool        // the client broke off the last transfer, and has said nothing since
	isOver   bool
	why      reason.Reason
}

// pending is a command on its way.
type pending struct {
	kind     kind
	transfer *transfer // of passive and active
}

// kind is what becomes of the replies to a command.
type kind uint8

const (
	passedOn kind = iota
	passive       // PASV
	extended      // EPSV
	active        // PORT, EPRT
	features      // FEAT
	quit
)

// Talk serves a client.
func (s *Setup) Talk(t *tunnel.Session) reason.Reason {
	c := &session{Session: t, setup: s, loop: t.Loop(), isSecure: t.Opened.IsSecure, why: reason.Done}
	c.fromClient.conn = t.Client
	t.Cut = c.cut
	if c.begin() {
		c.serve()
	}
	c.end()
	return c.why
}

// begin greets the client: with a server behind, unless that is chosen by who the client says it is.
func (c *session) begin() bool {
	if len(c.setup.Users) == 0 && !c.connect(c.Way()) {
		return false
	}
	return c.say(220, c.setup.Greeting)
}

// connect finds a server, hears its greeting and agrees on TLS with it; weir says to the client itself what it is to know of that.
func (c *session) connect(way *tunnel.Way) bool {
	if way == nil {
		c.why = reason.NoRoute
		c.say(530, "No such user")
		return false
	}
	if why := c.Connect(way); why != reason.Done {
		c.why = why
		c.say(421, "Service not available")
		return false
	}
	c.way = way
	c.meeting = true
	c.Client.Watch((*waiting)(c)) // it has nothing to say before it is greeted
	err := c.meet(way)
	c.Client.Watch(nil)
	c.meeting = false
	switch {
	case c.isOver && c.why != reason.Done:
		return false
	case c.isOver:
		c.why = reason.Stopping
		c.say(421, "Service is closing")
		return false
	case err != nil:
		c.why = reason.FTPServer
		c.Detail(err.Error())
		c.say(421, "Service not available")
		return false
	}
	c.replying = true
	c.loop.Go(&replies{c: c})
	return true
}

// meet does what comes before the first command of the client. All of it has replyWithin, and repliesMost of the server's bytes.
func (c *session) meet(way *tunnel.Way) error {
	c.Server.SetReadTimeout(replyWithin)
	c.Server.SetWriteTimeout(replyWithin)
	c.fromServer.read, c.fromServer.by = 0, c.loop.Now()+replyWithin.Milliseconds()
	defer func() { c.fromServer.by = 0 }()
	if s, found := c.setup.Servers[way]; found {
		c.secure = &s
		if s.Implicit {
			if err := c.encryptServer(); err != nil {
				return err
			}
		}
	}
	c.fromServer.conn = c.Server
	if err := c.want(220); err != nil || c.secure == nil {
		return err
	}
	if !c.secure.Implicit {
		if err := c.order(ftp.Command{Verb: "AUTH", Arg: "TLS"}, 234); err != nil {
			return err
		}
		if !c.fromServer.isEmpty() {
			return errors.New("the server goes on in clear text")
		}
		if err := c.encryptServer(); err != nil {
			return err
		}
		c.fromServer.conn = c.Server
	}
	if err := c.order(ftp.Command{Verb: "PBSZ", Arg: "0"}, 200); err != nil {
		return err
	}
	return c.order(ftp.Command{Verb: "PROT", Arg: "P"}, 200)
}

func (c *session) encryptServer() error {
	secure, err := c.secure.TLS.Client(c.Server, c.ServerName(), "")
	if err != nil {
		return err
	}
	c.Secure(secure)
	return nil
}

var errReplyTooLong = errors.New("the server's reply has no end")

// order sends a command of weir's own and wants a reply.
func (c *session) order(cmd ftp.Command, code int) error {
	if _, err := c.Server.Write(cmd.Append(nil)); err != nil {
		return err
	}
	return c.want(code)
}

func (c *session) want(code int) error {
	for within := 0; ; {
		line, err := c.fromServer.next()
		if err != nil {
			return err
		}
		l, ok := ftp.ParseLine(line, within)
		switch {
		case c.fromServer.read > repliesMost:
			return errReplyTooLong
		case !ok:
			return errors.New("the server does not speak FTP")
		case within == 0 && l.Code != code:
			return errors.New("the server says " + string(ftp.AppendReply(nil, l.Code, l.Text)))
		case l.IsLast:
			return nil
		}
		within = code
	}
}

// serve takes the client's commands until the session ends.
func (c *session) serve() {
	for !c.isOver {
		c.Client.SetReadTimeout(c.setup.Idle)
		line, err := c.fromClient.next()
		if err == engine.ErrTimeout && c.Busy > 0 {
			continue
		}
		if err != nil {
			c.clientEnded(err)
			return
		}
		c.isBroken = false
		cmd, ok := ftp.ParseCommand(line)
		if !ok {
			c.order5("Syntax error")
			continue
		}
		goesAhead := c.hasBegun && (cmd.Verb == "ABOR" || cmd.Verb == "STAT" || cmd.Verb == "QUIT")
		if len(c.pending) > 0 && !goesAhead && !c.waitSettled() {
			return
		}
		if !c.command(cmd) {
			return
		}
	}
}

// waitSettled waits for the replies to earlier commands, so that what weir itself says comes in its order. It returns false if the session ends: the client is lost, or the server says
// nothing for as long as a session may be idle. A transfer has limits of its own.
func (c *session) waitSettled() bool {
	c.Client.Watch((*waiting)(c))
	defer c.Client.Watch(nil)
	for len(c.pending) > 0 && !c.isOver {
		if !c.loop.Wait(&c.settled, c.setup.Idle) && c.Busy == 0 && len(c.pending) > 0 && !c.isOver {
			c.why = reason.TunnelIdle
			c.say(421, "Timeout")
			return false
		}
	}
	return !c.isOver
}

// waiting is a session whose client is not read from. It implements engine.Watcher.
type waiting session

// Changed ends the session when the client is lost. One that has only finished may still read.
func (w *waiting) Changed(what engine.Change) {
	c := (*session)(w)
	if what == engine.Gone && !c.isOver {
		c.isOver, c.why = true, reason.TunnelClientReset
		c.loop.Fire(&c.settled)
		if c.meeting {
			c.Server.Interrupt()
		}
	}
}

func (c *session) clientEnded(err error) {
	switch {
	case c.isOver:
	case errors.Is(err, engine.ErrTimeout):
		c.why = reason.TunnelIdle
		c.say(421, "Timeout")
	case errors.Is(err, engine.ErrInterrupted):
		c.why = reason.Stopping
		c.Client.ClearInterrupt()
		c.say(421, "Service is closing")
	case errors.Is(err, errLineTooLong):
		c.why = reason.ClientMalformed
		c.say(500, "Line too long")
	case !errors.Is(err, io.EOF):
		c.why = reason.TunnelClientReset
	}
}

// say sends a reply of weir's own.
func (c *session) say(code int, text string) bool {
	return c.toClient(ftp.AppendReply(nil, code, text))
}

// order5 refuses a command.
func (c *session) order5(text string) bool { return c.say(500, text) }

func (c *session) toClient(b []byte) bool {
	c.Client.SetWriteTimeout(c.setup.Idle)
	_, err := c.Client.Write(b)
	c.Count(0, int64(len(b)))
	return err == nil
}

// pass sends a command to the server.
func (c *session) pass(cmd ftp.Command, p pending) bool {
	c.pending = append(c.pending, p)
	b := cmd.Append(nil)
	c.Server.SetWriteTimeout(c.setup.Idle)
	if _, err := c.Server.Write(b); err != nil {
		c.why = reason.TunnelServerReset
		return false
	}
	c.Count(int64(len(b)), 0)
	return true
}

// cut ends all transfers, and those that are about to begin.
func (c *session) cut() {
	c.isOver = true
	if c.meeting {
		c.Server.Interrupt()
	}
	for _, t := range c.open {
		t.abort()
	}
}

// end ends what is left. Transfers end with their server: its control connection is closed. A client that has left without a word while it broke off a transfer has not had all of it.
func (c *session) end() {
	c.isOver = true
	if c.data != nil {
		c.data.cancel()
	}
	if c.Server != nil {
		c.Server.Close()
	}
	for c.replying || c.Busy > 0 {
		c.loop.Wait(&c.settled, c.setup.Data)
	}
	if c.isBroken && c.why == reason.Done {
		c.why = reason.TunnelClientReset
	}
	c.fromClient.release()
	c.fromServer.release()
}

// sameMachine reports whether two addresses are one.
func sameMachine(a, b netip.Addr) bool { return a.Unmap().WithZone("") == b.Unmap().WithZone("") }
