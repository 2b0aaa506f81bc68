package ftp

import (
	"net/netip"
	"strings"

	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/wire/ftp"
)

// command does what a command asks for, or passes it on; false ends the session.
func (c *session) command(cmd ftp.Command) bool {
	switch cmd.Verb {
	case "AUTH":
		return c.auth(cmd.Arg)
	case "PBSZ":
		if !c.isSecure {
			return c.say(503, "AUTH first")
		}
		return c.say(200, "PBSZ=0")
	case "PROT":
		return c.prot(cmd.Arg)
	case "CCC", "LPRT", "LPSV", "REIN", "MIC", "CONF", "ENC", "ADAT":
		return c.say(502, "Not implemented")
	}
	if c.setup.Required && !c.isSecure && cmd.Verb != "FEAT" && cmd.Verb != "QUIT" && cmd.Verb != "NOOP" && cmd.Verb != "SYST" {
		return c.say(530, "AUTH TLS first")
	}
	if c.way == nil {
		return c.beforeUser(cmd)
	}
	switch cmd.Verb {
	case "PASV":
		return c.passive(passive, "")
	case "EPSV":
		return c.passive(extended, strings.ToUpper(cmd.Arg))
	case "PORT":
		to, ok := ftp.ParsePort(cmd.Arg)
		return c.active(to, ok && !c.epsvAll)
	case "EPRT":
		to, ok := ftp.ParseExtendedPort(cmd.Arg)
		return c.active(to, ok && !c.epsvAll)
	case "FEAT":
		return c.pass(cmd, pending{kind: features})
	case "STAT":
		if cmd.Arg == "" {
			return c.say(211, "FTP server status OK") // a server's own tells its address and who it thinks its client is
		}
	case "QUIT":
		return c.pass(cmd, pending{kind: quit})
	case "ABOR":
		if c.hasBegun && c.data != nil {
			c.data.abort()
		}
	}
	return c.pass(cmd, pending{})
}

// beforeUser is for sessions whose server is chosen by the user's name.
func (c *session) beforeUser(cmd ftp.Command) bool {
	switch cmd.Verb {
	case "USER":
		way := c.setup.Users[cmd.Arg]
		if way == nil {
			way = c.Way()
		}
		return c.connect(way) && c.pass(cmd, pending{})
	case "FEAT":
		return c.toClient(append(append([]byte("211-Features:\r\n"), c.ownFeatures()...), "211 End\r\n"...))
	case "SYST":
		return c.say(215, "UNIX Type: L8")
	case "NOOP":
		return c.say(200, "OK")
	case "QUIT":
		c.say(221, "Goodbye")
		return false
	}
	return c.say(530, "USER first")
}

// ownFeatures are what weir itself does.
func (c *session) ownFeatures() (b []byte) {
	b = append(b, " EPRT\r\n EPSV\r\n"...)
	if c.setup.TLS != nil {
		b = append(b, " AUTH TLS\r\n PBSZ\r\n PROT\r\n"...)
	}
	return b
}

// auth begins TLS with the client (RFC 4217 section 4).
func (c *session) auth(mechanism string) bool {
	switch mechanism = strings.ToUpper(mechanism); {
	case c.setup.TLS == nil:
		return c.say(502, "Not implemented")
	case c.isSecure:
		return c.say(503, "TLS is there already")
	case mechanism != "TLS" && mechanism != "TLS-C" && mechanism != "SSL":
		return c.say(504, "Not known")
	case !c.fromClient.isEmpty():
		// What somebody has put behind it in clear text must not count as said under TLS.
		c.why = reason.ClientMalformed
		c.say(500, "Wait for the reply to AUTH")
		return false
	}
	if !c.say(234, "Go on") {
		return false
	}
	c.Client.SetReadTimeout(replyWithin)
	c.Client.SetWriteTimeout(replyWithin)
	secure := c.setup.TLS.Server(c.Client)
	if err := secure.Handshake(); err != nil {
		c.why = reason.HandshakeFailed
		c.Detail(err.Error())
		return false
	}
	c.fromClient.release()
	c.Client, c.fromClient.conn, c.isSecure = secure, secure, true
	return true
}

func (c *session) prot(level string) bool {
	switch level = strings.ToUpper(level); {
	case !c.isSecure:
		return c.say(503, "AUTH first")
	case level == "P":
		c.protects = true
	case level == "C" && !c.setup.Required:
		c.protects = false
	default:
		return c.say(536, "Not supported")
	}
	return c.say(200, "PROT "+level)
}

// passive has the server open a port; the client gets one of weir's in the reply. family is the argument of EPSV.
func (c *session) passive(k kind, family string) bool {
	own := c.Client.LocalAddr().Addr().Unmap()
	switch {
	case family == "ALL":
		c.epsvAll = true
		return c.say(200, "EPSV ALL")
	case k == passive && c.epsvAll:
		return c.say(501, "EPSV only")
	case k == passive && !own.Is4():
		return c.say(425, "PASV needs IPv4; use EPSV")
	case family == "1" && !own.Is4(), family == "2" && own.Is4():
		return c.say(522, "Network protocol not supported, use ("+map[bool]string{true: "1", false: "2"}[own.Is4()]+")")
	case family != "" && family != "1" && family != "2":
		return c.say(501, "Syntax error")
	}
	verb := "PASV"
	if !c.Server.RemoteAddr().Addr().Unmap().Is4() {
		verb = "EPSV"
	}
	return c.pass(ftp.Command{Verb: verb}, pending{kind: k})
}

// portLeast is the lowest port that weir connects to for a client. RFC 2577 section 3: servers should not open data connections to ports below 1024.
const portLeast = 1024

// active has the server connect to weir, which connects to the client.
func (c *session) active(to netip.AddrPort, ok bool) bool {
	if !ok {
		return c.say(501, "Syntax error")
	}
	// RFC 2577 section 3: the bounce attack.
	if !sameMachine(to.Addr(), c.Peer()) || to.Port() < portLeast {
		c.Detail("data connection to " + to.String() + " refused")
		return c.say(504, "Data connections go to the client's own address")
	}
	c.replace(nil)
	own := c.Server.LocalAddr().Addr().Unmap()
	door, err := c.setup.open(c.loop, own, c.isSpoofed())
	if err != nil {
		c.Detail(err.Error())
		return c.say(425, "No port for data connections")
	}
	t := c.newTransfer(door, to, false)
	at := netip.AddrPortFrom(own, door.At().Port())
	cmd := ftp.Command{Verb: "EPRT", Arg: string(ftp.AppendExtendedPort(nil, at))}
	if own.Is4() {
		cmd = ftp.Command{Verb: "PORT", Arg: string(ftp.AppendPort(nil, at))}
	}
	return c.pass(cmd, pending{kind: active, transfer: t})
}
