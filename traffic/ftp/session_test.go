package ftp

import (
	stdtls "crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/tunnel"
	"github.com/weir-proxy/weir/wire/tls"
)

// What becomes of a command: what the client hears, and what the server is told.
func TestCommands(t *testing.T) {
	for _, c := range []struct {
		name    string
		command string
		answer  string
		told    string // "": nothing
		change  map[string]string
	}{
		{"passed on", "SIZE a", "213 7", "SIZE a", map[string]string{"SIZE": "213 7"}},
		{"PASV", "PASV", "227 Entering Passive Mode (10,0,1,1,195,81).", "PASV", nil},
		{"EPSV, of a server by IPv4", "EPSV", "229 Entering Extended Passive Mode (|||50001|)", "PASV", nil},
		{"EPSV of the family", "EPSV 1", "229 Entering Extended Passive Mode (|||50001|)", "PASV", nil},
		{"EPSV of another family", "EPSV 2", "522 Network protocol not supported, use (1)", "", nil},
		{"EPSV of none", "EPSV x", "501 Syntax error", "", nil},
		{"PASV refused", "PASV", "550 Passive mode refused", "PASV", map[string]string{"PASV": "550 No, and it is 10.0.2.9 that says so"}},
		{"PASV without an address", "PASV", "425 Passive mode failed", "PASV", map[string]string{"PASV": "227 Somewhere"}},
		{"PASV at port 0", "PASV", "425 Passive mode failed", "PASV", map[string]string{"PASV": "227 (10,0,2,9,0,0)"}},
		{"an address in place of another reply", "NOOP", "421 Service not available", "NOOP", map[string]string{"NOOP": "227 Entering Passive Mode (10,0,9,9,4,5)"}},
		{"an address in several lines", "NOOP", "421 Service not available", "NOOP", map[string]string{"NOOP": "229-Extended (|||5|)\r\n229 (|||5|)"}},
		{"an address unasked", "NOOP", "200 OK\n421 Service not available", "NOOP", map[string]string{"NOOP": "200 OK\r\n228 Long (10.0.9.9, 5)"}},
		{"PORT", "PORT 10,0,1,7,19,136", "200 OK", "PORT 10,0,2,1,195,81", nil},
		{"EPRT", "EPRT |1|10.0.1.7|5000|", "200 OK", "PORT 10,0,2,1,195,81", nil},
		{"PORT to another machine", "PORT 10,0,1,8,19,136", "504 Data connections go to the client's own address", "", nil},
		{"EPRT to another machine", "EPRT |1|10.0.2.9|5000|", "504 Data connections go to the client's own address", "", nil},
		{"EPRT to IPv6", "EPRT |2|::1|5000|", "504 Data connections go to the client's own address", "", nil},
		{"PORT below 1024", "PORT 10,0,1,7,0,25", "504 Data connections go to the client's own address", "", nil},
		{"PORT of nonsense", "PORT 10,0,1,7", "501 Syntax error", "", nil},
		{"EPRT of nonsense", "EPRT |1|x|", "501 Syntax error", "", nil},
		{"features", "FEAT", "211-Features:\n MDTM\n EPRT\n EPSV\n211 End", "FEAT", nil},
		{"no features", "FEAT", "502 No", "FEAT", map[string]string{"FEAT": "502 No"}},
		{"status", "STAT", "211 FTP server status OK", "", nil},
		{"TLS without a certificate", "AUTH TLS", "502 Not implemented", "", nil},
		{"PBSZ without TLS", "PBSZ 0", "503 AUTH first", "", nil},
		{"PROT without TLS", "PROT P", "503 AUTH first", "", nil},
		{"what would go past weir", "LPRT 4,4,10,0,1,7,2,19,136", "502 Not implemented", "", nil},
		{"no command", "1234", "500 Syntax error", "", nil},
		{"the end", "QUIT", "221 Bye\n", "QUIT", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, func(w *world, _ *Setup) {
				for verb, answer := range c.change {
					w.answers[verb] = answer
				}
			}, func(w *world) {
				k := w.connect()
				defer k.c.Close()
				k.asks(c.command, c.answer)
				if c.told == "" {
					w.wantTold()
				} else {
					w.wantTold(c.told)
				}
			})
		})
	}
}

// After EPSV ALL nothing that names an address is taken (RFC 2428 section 4).
func TestEPSVAll(t *testing.T) {
	in(t, nil, func(w *world) {
		c := w.connect()
		defer c.c.Close()
		c.asks("EPSV ALL", "200 EPSV ALL")
		c.asks("PASV", "501 EPSV only")
		c.asks("PORT 10,0,1,7,19,136", "501 Syntax error")
		c.asks("EPRT |1|10.0.1.7|5000|", "501 Syntax error")
		c.asks("EPSV", "229 Entering Extended Passive Mode (|||50001|)")
		w.wantTold("PASV")
	})
}

// A passive transfer goes to the server's own address, whatever the server says; strangers do not get it, and others come in by no second connection.
func TestPassiveTransfer(t *testing.T) {
	in(t, nil, func(w *world) {
		c := w.connect()
		defer c.c.Close()
		c.asks("PASV", "227 Entering Passive Mode (10,0,1,1,195,81).")
		stranger := w.enter(50_001, netip.MustParseAddr("10.0.1.66"))
		if _, err := stranger.Read(make([]byte, 1)); err == nil {
			t.Error("a stranger is served")
		}
		mine := w.enter(50_001, clientAt)
		c.asks("RETR a", "150 Opening")
		if len(w.dialed) != 1 || w.dialed[0] != "10.0.2.9:51210" {
			t.Fatalf("weir connects to %v", w.dialed)
		}
		far := w.far["10.0.2.9:51210"]
		go func() {
			io.WriteString(far, "the file")
			far.Close()
		}()
		if b, _ := io.ReadAll(mine); string(b) != "the file" {
			t.Errorf("%q", b)
		}
		mine.Close()
		if !w.doors[50_001].isClosed() {
			t.Error("the port is still open")
		}
	})
}

// An active transfer comes from the server's machine alone, and goes to the client.
func TestActiveTransfer(t *testing.T) {
	in(t, nil, func(w *world) {
		c := w.connect()
		defer c.c.Close()
		c.asks("PORT 10,0,1,7,19,136", "200 OK")
		stranger := w.enter(50_001, clientAt) // the client itself has no business there
		if _, err := stranger.Read(make([]byte, 1)); err == nil {
			t.Error("a stranger is served")
		}
		server := w.enter(50_001, netip.MustParseAddrPort(serverAt).Addr())
		if len(w.dialed) != 1 || w.dialed[0] != "10.0.1.7:5000" {
			t.Fatalf("weir connects to %v", w.dialed)
		}
		mine := w.far["10.0.1.7:5000"]
		go func() {
			io.WriteString(mine, "upload")
			mine.Close()
		}()
		if b, _ := io.ReadAll(server); string(b) != "upload" {
			t.Errorf("%q", b)
		}
		server.Close()
	})
}

// A port that nobody comes to is closed after its time, one that a later command takes the place of at once, and strangers cannot keep it open.
func TestPortsDoNotStayOpen(t *testing.T) {
	in(t, func(_ *world, s *Setup) { s.First, s.Last = 6000, 6001 }, func(w *world) {
		c := w.connect()
		defer c.c.Close()
		c.asks("EPSV", "229 Entering Extended Passive Mode (|||6001|)")
		first := w.doors[6001]
		c.asks("EPSV", "229 Entering Extended Passive Mode (|||6000|)")
		if !first.isClosed() {
			t.Error("the port of a command before is still open")
		}
		time.Sleep(acceptWithin - time.Second)
		if w.doors[6000].isClosed() {
			t.Error("the port was closed too early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !w.doors[6000].isClosed() {
			t.Error("the port is still open")
		}
		c.asks("EPSV", "229 Entering Extended Passive Mode (|||6001|)")
		for range strangersMost {
			w.enter(6001, netip.MustParseAddr("10.0.1.66"))
		}
		synctest.Wait()
		if !w.doors[6001].isClosed() {
			t.Error("strangers keep a port open")
		}
		// With every port taken there is none, and the session goes on.
		for port := uint16(6000); port <= 6001; port++ {
			w.doors[port] = &door{closed: make(chan struct{})}
		}
		c.asks("EPSV", "425 No port for data connections")
		c.asks("NOOP", "200 OK")
		w.doors[6000].Close()
		w.doors[6001].Close()
	})
}

// Who the client says that it is chooses the server.
func TestUsersChooseTheirServers(t *testing.T) {
	for _, c := range []struct {
		name          string
		hasDefault    bool
		user          string
		answer        string
		told          []string
		why           reason.Reason
		endsByItsSelf bool
	}{
		{"named", true, "anna", "331 Password", []string{otherAt + ": USER anna"}, reason.Done, false},
		{"any other", true, "bert", "331 Password", []string{"USER bert"}, reason.Done, false},
		{"any other, with nowhere to go", false, "bert", "530 No such user\n", nil, reason.NoRoute, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, func(w *world, s *Setup) {
				s.Users = map[string]*tunnel.Way{"anna": w.other}
				if c.hasDefault {
					s.Users[""] = w.way
				}
			}, func(w *world) {
				k := w.connect()
				defer k.c.Close()
				k.asks("SYST", "215 UNIX Type: L8")
				k.asks("NOOP", "200 OK")
				k.asks("FEAT", "211-Features:\n EPRT\n EPSV\n211 End")
				k.asks("PASV", "530 USER first")
				k.asks("PASS x", "530 USER first")
				w.wantTold()
				k.asks("USER "+c.user, c.answer)
				w.wantTold(c.told...)
				if !c.endsByItsSelf {
					k.asks("QUIT", "221 Bye\n")
				}
				w.wantEnd(c.why)
			})
		})
	}
}

// weir ends idle sessions when it stops; one with a transfer goes on to the transfer's end.
func TestDrainWaitsForTransfers(t *testing.T) {
	in(t, nil, func(w *world) {
		idle, busy := w.connect(), w.connect()
		defer busy.c.Close()
		busy.asks("PASV", "227 Entering Passive Mode (10,0,1,1,195,81).")
		mine := w.enter(50_001, clientAt)
		busy.asks("RETR a", "150 Opening")
		far := w.far["10.0.2.9:51210"]
		drain := func() { w.engine.Each(func(l *engine.Loop) { w.driver.EndIdle(l.Index, nil) }) }
		drain()
		idle.hears("421 Service is closing", "")
		for range 10 { // longer than either silence ends a session: the bytes keep it
			time.Sleep(50 * time.Second)
			drain()
			io.WriteString(far, "x")
			if _, err := mine.Read(make([]byte, 1)); err != nil {
				t.Fatalf("the transfer was cut: %v", err)
			}
		}
		far.Close()
		mine.Close()
		synctest.Wait()
		drain()
		busy.hears("421 Service is closing", "")
		w.wantTold("PASV", "RETR a")
	})
}

// Who ends a session ends its transfers: a server, too, may go on with them when its control connection is closed.
func TestTheEndOfASessionIsThatOfItsTransfers(t *testing.T) {
	in(t, nil, func(w *world) {
		k := w.connect()
		k.asks("PASV", "227 Entering Passive Mode (10,0,1,1,195,81).")
		mine := w.enter(50_001, clientAt)
		k.asks("RETR a", "150 Opening")
		far := w.far["10.0.2.9:51210"]
		go io.WriteString(far, "bytes")
		io.ReadFull(mine, make([]byte, 5))
		synctest.Wait()
		var before, after tunnel.Stats
		w.engine.Each(func(l *engine.Loop) {
			before = w.driver.Stats(0)
			w.driver.End(l.Index, &attempt.Ending{Client: clientAt}, reason.Ended)
			after = w.driver.Stats(0)
		})
		if before.Open != 1 || after.Open != 0 || after.Sent < 5 {
			t.Errorf("open %d, then %d; sent %d", before.Open, after.Open, after.Sent)
		}
		synctest.Wait()
		for name, c := range map[string]net.Conn{"client": mine, "server": far} {
			c.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the data connection of the %s goes on: %v", name, err)
			}
		}
		w.wantEnd(reason.Ended)
	})
}

func TestSilenceEndsASession(t *testing.T) {
	in(t, nil, func(w *world) {
		c := w.connect()
		began := time.Now()
		c.hears("421 Timeout", "")
		if took := time.Since(began); took < 5*time.Minute || took > 5*time.Minute+time.Second {
			t.Errorf("after %v", took)
		}
		w.wantEnd(reason.TunnelIdle)
	})
}

// What a server says that does not speak FTP, or goes, and what a client does.
func TestFaultsEndASession(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer string // of the server, to NOOP
		says   string
		hears  string
		why    reason.Reason
	}{
		{"a server that speaks something else", "HTTP/1.1 400 Bad Request", "NOOP", "421 Service not available\n", reason.FTPServer},
		{"a line that is too long", "200 OK", "NOOP " + strings.Repeat("x", 5000), "500 Line too long\n", reason.ClientMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, func(w *world, _ *Setup) { w.answers["NOOP"] = c.answer }, func(w *world) {
				k := w.connect()
				go io.WriteString(k.c, c.says+"\r\n")
				k.hears(strings.Split(c.hears, "\n")...)
				k.c.Close()
				w.wantEnd(c.why)
			})
		})
	}
}

// TLS by AUTH: what is allowed before and after it, and for data.
func TestTLSOfTheClient(t *testing.T) {
	in(t, func(w *world, s *Setup) { s.TLS, s.Required = w.terms(), true }, func(w *world) {
		c := w.connect()
		defer func() { c.c.Close() }()
		c.asks("USER anna", "530 AUTH TLS first")
		c.asks("PASV", "530 AUTH TLS first")
		c.asks("NOOP", "200 OK")
		c.asks("AUTH GSSAPI", "504 Not known")
		c.asks("FEAT", "211-Features:\n MDTM\n EPRT\n EPSV\n AUTH TLS\n PBSZ\n PROT\n211 End")
		c.asks("AUTH TLS", "234 Go on")
		c.secure()
		w.wantTold("NOOP", "FEAT")
		c.asks("AUTH TLS", "503 TLS is there already")
		c.asks("PBSZ 0", "200 PBSZ=0")
		c.asks("PROT C", "536 Not supported")
		c.asks("PROT S", "536 Not supported")
		c.asks("PROT P", "200 PROT P")
		c.asks("CCC", "502 Not implemented")
		c.asks("USER anna", "331 Password")
		c.asks("PASV", "227 Entering Passive Mode (10,0,1,1,195,81).")
		w.wantTold("USER anna", "PASV")
		go io.WriteString(afterwards(w), "the file")
		mine := w.enter(50_001, clientAt)
		s := stdtls.Client(mine, &stdtls.Config{InsecureSkipVerify: true})
		b := make([]byte, 8)
		if _, err := io.ReadFull(s, b); err != nil || string(b) != "the file" {
			t.Errorf("%q %v", b, err)
		}
		mine.Close()
	})
}

// afterwards is the server's end of the transfer, once weir has connected to it.
func afterwards(w *world) io.Writer { return laterConn{w} }

type laterConn struct{ w *world }

func (l laterConn) Write(b []byte) (int, error) {
	for {
		l.w.mu.Lock()
		far := l.w.far["10.0.2.9:51210"]
		l.w.mu.Unlock()
		if far != nil {
			defer far.Close()
			return far.Write(b)
		}
		time.Sleep(time.Millisecond)
	}
}

// Where TLS is not required a client may go back to clear data.
func TestDataMayBeClearWhereTLSIsNotRequired(t *testing.T) {
	in(t, func(w *world, s *Setup) { s.TLS = w.terms() }, func(w *world) {
		c := w.connect()
		defer func() { c.c.Close() }()
		c.asks("USER anna", "331 Password")
		c.asks("AUTH TLS", "234 Go on")
		c.secure()
		c.asks("PROT P", "200 PROT P")
		c.asks("PROT C", "200 PROT C")
	})
}

// What stands in clear text behind AUTH does not count as said under TLS.
func TestNothingIsSmuggledBehindAUTH(t *testing.T) {
	in(t, func(w *world, s *Setup) { s.TLS = w.terms() }, func(w *world) {
		c := w.connect()
		go io.WriteString(c.c, "AUTH TLS\r\nDELE everything\r\n")
		c.hears("500 Wait for the reply to AUTH", "")
		w.wantTold()
		w.wantEnd(reason.ClientMalformed)
	})
}

// towards is TLS with servers, as pools have it.
type towards struct{}

func (towards) Client(c engine.Conn, _, _ string) (engine.Conn, error) {
	secure := tls.Client(c, &stdtls.Config{InsecureSkipVerify: true})
	return secure, secure.Handshake()
}

// TLS with a server is agreed on before the client's first command, and is none of the client's business.
func TestTLSOfTheServer(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer string // to AUTH
		hears  string
		told   []string
	}{
		{"agreed on", "234 Go on", "220 Hello", []string{"AUTH TLS", "PBSZ 0", "PROT P"}},
		{"refused", "500 No", "421 Service not available", []string{"AUTH TLS"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, func(w *world, s *Setup) {
				w.terms()
				w.answers["AUTH"] = c.answer
				s.Servers = map[*tunnel.Way]Secure{w.way: {TLS: towards{}}}
			}, func(w *world) {
				k := w.begin()
				k.hears(c.hears)
				w.wantTold(c.told...)
				k.c.Close()
			})
		})
	}
}
