package ftp

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/tunnel"
)

// transfer is a data connection: it waits for one end at a port of weir's, connects to the other, and relays.
type transfer struct {
	c         *session
	door      *engine.Doorway
	to        netip.AddrPort // the server's port, or the client's
	client    engine.Conn    // while bytes are relayed
	server    engine.Conn
	isPassive bool // the client comes, and weir goes to the server
	isAborted bool
	isOver    bool
}

// transferLinger is how long the other direction of a transfer, which carries nothing, may stay open after its end.
const transferLinger = 3 * time.Second

// newTransfer begins to wait. What a command before has begun to wait for is not waited for any more.
func (c *session) newTransfer(door *engine.Doorway, to netip.AddrPort, isPassive bool) *transfer {
	t := &transfer{c: c, door: door, to: to, isPassive: isPassive}
	c.replace(t)
	c.open = append(c.open, t)
	c.Busy++
	c.loop.Go(t)
	return t
}

// replace has t be the transfer that the next command is for.
func (c *session) replace(t *transfer) {
	if c.data != nil {
		c.data.cancel()
	}
	c.data = t
}

// cancel ends the wait for a data connection; one that stands is left to its ends.
func (t *transfer) cancel() { t.door.Close() }

// abort ends a transfer that stands (RFC 959 section 4.1.3, ABOR: "the data transfer … shall be aborted and the data connection closed"). A server that waits for room on
// the data connection would not look at the command before there is some.
func (t *transfer) abort() {
	t.isAborted = true
	t.cancel()
	if t.client != nil {
		t.client.Interrupt()
		t.server.Interrupt()
	}
}

// Run carries the transfer.
func (t *transfer) Run() {
	client, server := t.join()
	switch {
	case client == nil:
	case t.isAborted:
		client.Reset()
		server.Reset()
	default:
		t.client, t.server = client, server
		t.c.isBroken = tunnel.RelayOne(client, server, t.c.setup.Data, transferLinger, t.c.Count)
		t.client, t.server = nil, nil
	}
	t.over()
}

// Panicked settles a transfer that panicked.
func (t *transfer) Panicked() { t.over() }

func (t *transfer) over() {
	if t.isOver {
		return
	}
	t.isOver = true
	t.c.loop.Unclaim(engine.ShareTunnels, transferHolds)
	t.door.Close()
	c := t.c
	if c.data == t {
		c.data = nil
	}
	c.open = slices.DeleteFunc(c.open, func(o *transfer) bool { return o == t })
	c.Busy--
	c.loop.Fire(&c.settled)
}

// join makes both connections, with their TLS; nil if one of them does not come to be.
func (t *transfer) join() (client, server engine.Conn) {
	c := t.c
	first := t.accept()
	if first == nil {
		return nil, nil
	}
	o := engine.DialOptions{Timeout: acceptWithin, Source: c.Server.LocalAddr().Addr().Unmap(), Spoof: c.isSpoofed()}
	if !t.isPassive {
		o.Source, o.Spoof = c.Client.LocalAddr().Addr().Unmap(), false
	}
	second, err := c.loop.Dial(engine.Address{IP: t.to}, o)
	if err != nil {
		c.Detail("data connection: " + err.Error())
		first.Reset()
		return nil, nil
	}
	client, server = first, second
	if !t.isPassive {
		client, server = second, first
	}
	client, server, err = t.encrypt(client, server)
	if err != nil {
		c.Detail("data connection: " + err.Error())
		first.Reset()
		second.Reset()
		return nil, nil
	}
	return client, server
}

// isSpoofed reports whether the server sees the client's address, as with source: client. It has to see that of data connections, too.
func (c *session) isSpoofed() bool {
	own := c.Server.LocalAddr().Addr().Unmap()
	return own == c.Peer().Unmap() && own != c.Client.LocalAddr().Addr().Unmap()
}

// strangersMost is how many connections of others are refused at a port before it is closed.
const strangersMost = 8

// accept waits for the machine that the port is for. RFC 2577 section 4 and the theft of data connections: nobody else gets it.
func (t *transfer) accept() engine.Conn {
	c := t.c
	for range strangersMost {
		conn, err := t.door.Accept(acceptWithin)
		if err != nil {
			return nil
		}
		from := c.Peer()
		if !t.isPassive {
			from = c.Server.RemoteAddr().Addr()
		}
		if sameMachine(conn.RemoteAddr().Addr(), from) {
			t.door.Close()
			return conn
		}
		conn.Reset()
	}
	return nil
}

// encrypt puts TLS around what is to have it: weir is the server to its client, and the client to its server, whoever connected.
func (t *transfer) encrypt(client, server engine.Conn) (engine.Conn, engine.Conn, error) {
	c := t.c
	if c.secure != nil {
		server.SetReadTimeout(replyWithin)
		server.SetWriteTimeout(replyWithin)
		secure, err := c.secure.TLS.Client(server, c.ServerName(), "")
		if err != nil {
			return client, server, err
		}
		server = secure
	}
	if c.protects {
		client.SetReadTimeout(replyWithin)
		client.SetWriteTimeout(replyWithin)
		secure := c.setup.TLS.Server(client)
		if err := secure.Handshake(); err != nil {
			return client, server, err
		}
		client = secure
	}
	return client, server, nil
}

func portText(port uint16) string { return strconv.Itoa(int(port)) }
