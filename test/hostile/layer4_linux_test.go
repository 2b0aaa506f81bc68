package hostile

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// floods is how many attackers go on and on at the same time: as many as attackAndExit has begin at once.
const floods = 8

// again has an attacker do the same until the attack is over; a failure is part of it.
func again(do func(s *scene) error) func(s *scene) error {
	return func(s *scene) (last error) {
		for s.goesOn() {
			if err := do(s); err != nil {
				last = err
				time.Sleep(time.Millisecond)
			}
		}
		return last
	}
}

// passing opens a connection that the attacker closes itself.
func (s *scene) passing(listener string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 2 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(s.from)}}
	c, err := dialer.Dial("tcp", s.at[listener])
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(2 * time.Second))
	return counting{c, s}, nil
}

// floodBears is what good clients bear of 150,000 new senders in a second: a loop's turns take 1 ms of processor time at most, and up to 20 ms until they have had it, while a datagram that
// the system has dropped is asked for again after 300 ms. nginx serves nobody from then on: its connections are used up.
const floodBears = 350 * time.Millisecond

// layer4Attacks are those below HTTP.
var layer4Attacks = map[string]attack{
	"udp, spoofed senders":              {conns: 2, bears: floodBears, short: true, open: func(s *scene) error { return s.spoofed("flows", []byte("x")) }},
	"udp, spoofed senders of questions": {conns: 2, bears: floodBears, open: func(s *scene) error { return s.spoofed("dns", []byte("x")) }},
	"udp, a flood of small datagrams":   {conns: 2, short: true, open: func(s *scene) error { return s.flood("flows", 1) }},
	"udp, a flood of large datagrams":   {conns: 2, open: func(s *scene) error { return s.flood("flows", 1400) }},
	"udp, a flood of questions":         {conns: 2, open: func(s *scene) error { return s.flood("dns", 40) }},
	"udp, senders with many ports": {conns: floods, open: again(func(s *scene) error {
		c, err := net.Dial("udp", s.at["flows"])
		if err == nil {
			_, err = c.Write([]byte("x"))
			s.sent.Add(1)
			c.Close()
		}
		return err
	})},
	"tcp, bytes one by one": {conns: floods, short: true, open: func(s *scene) error {
		c, err := s.dial(s.at["tunnel"])
		if err != nil {
			return err
		}
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n")
		for s.goesOn() && err == nil {
			_, err = c.Write([]byte("x"))
		}
		return err
	}},
	"http1, heads byte by byte": {conns: floods, open: func(s *scene) error {
		c, err := s.dial(s.at["clear"])
		head := "GET / HTTP/1.1\r\nHost: localhost\r\n" + lines(large)
		for i := 0; s.goesOn() && err == nil; i++ {
			_, err = c.Write([]byte{head[i%len(head)]})
			if i%len(head) == len(head)-1 {
				if c, err = s.dial(s.at["clear"]); err != nil {
					return err
				}
			}
		}
		return err
	}},
	"tcp, connections that end at once": {conns: floods, short: true, open: again(func(s *scene) error {
		c, err := s.passing("tunnel")
		if err == nil {
			c.Close()
		}
		return err
	})},
	"http1, connections that end at once": {conns: floods, open: again(func(s *scene) error {
		c, err := s.passing("clear")
		if err == nil {
			c.Close()
		}
		return err
	})},
	"tcp, connections that are reset": {conns: floods, open: again(func(s *scene) error {
		c, err := s.passing("tunnel")
		if err == nil {
			io.WriteString(c, "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
			c.(counting).Conn.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
		return err
	})},
	"tcp, half-open handshakes":   {conns: 2, open: func(s *scene) error { return s.halfOpen("tunnel") }},
	"http1, half-open handshakes": {conns: 2, open: func(s *scene) error { return s.halfOpen("clear") }},
	"tcp, half-closed clients": {conns: 1000, open: func(s *scene) error {
		c, err := s.dial(s.at["tunnel"])
		if err == nil {
			io.WriteString(c, "GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
			err = c.(counting).Conn.(*net.TCPConn).CloseWrite()
		}
		return err
	}},
	"tcp, slow readers": {conns: 400, open: func(s *scene) error {
		c, err := s.dial(s.at["tunnel"])
		if err == nil {
			_, err = io.WriteString(c, "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
			go func() {
				for b := make([]byte, 1); s.goesOn(); time.Sleep(50 * time.Millisecond) {
					if _, err := c.Read(b); err != nil {
						return
					}
				}
			}()
		}
		return err
	}},
	"tcp, uploads that the server does not read": {conns: 400, open: func(s *scene) error {
		c, err := s.dial(s.at["tunnel"])
		if err == nil {
			_, err = io.WriteString(c, "POST /hang HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000000\r\n\r\n"+strings.Repeat("x", 100_000))
		}
		return err
	}},

	"ftp, commands whose replies are not read": {conns: 100, short: true, open: func(s *scene) error {
		c, err := s.dial(s.at["ftp"])
		if err == nil {
			_, err = io.WriteString(c, "USER anna\r\nPASS x\r\n"+strings.Repeat("SYST\r\n", 20_000))
		}
		return err
	}},
	"ftp, commands without end": {conns: floods, open: func(s *scene) error {
		c, err := s.dial(s.at["ftp"])
		if err != nil {
			return err
		}
		go io.Copy(io.Discard, c)
		for many := strings.Repeat("PBSZ 0\r\n", 500); s.goesOn() && err == nil; {
			_, err = io.WriteString(c, many)
		}
		return err
	}},
	"ftp, ports that nobody uses": {conns: 200, short: true, open: func(s *scene) error {
		return s.ftp(func(c net.Conn, r *bufio.Reader) error {
			for range 20 {
				if err := exchanged(c, r, "PASV", "2"); err != nil {
					return err
				}
			}
			return nil
		})
	}},
	"ftp, clients that ask for a port and leave": {conns: floods, open: again(func(s *scene) error {
		return s.ftp(func(c net.Conn, r *bufio.Reader) error {
			err := exchanged(c, r, "PASV", "2")
			c.Close()
			return err
		})
	})},
	"ftp, logins": {conns: floods, open: again(func(s *scene) error {
		return s.ftp(func(c net.Conn, r *bufio.Reader) error {
			err := exchanged(c, r, "QUIT", "2")
			c.Close()
			return err
		})
	})},
	"ftp, lines without end": {conns: 200, open: func(s *scene) error {
		c, err := s.dial(s.at["ftp"])
		if err == nil {
			_, err = io.WriteString(c, "USER "+strings.Repeat("a", 100_000))
		}
		return err
	}},
	"ftp, commands byte by byte": {conns: floods, open: func(s *scene) error {
		c, err := s.dial(s.at["ftp"])
		if err != nil {
			return err
		}
		go io.Copy(io.Discard, c)
		for i := 0; s.goesOn() && err == nil; i++ {
			_, err = c.Write([]byte{"NOOP\r\n"[i%6]})
		}
		return err
	}},
	"ftp, sessions that say nothing": {conns: 1000, open: func(s *scene) error {
		_, err := s.dial(s.at["ftp"])
		return err
	}},
	"ftp, TLS that is begun and left": {conns: 400, open: func(s *scene) error {
		c, err := s.dial(s.at["ftp"])
		if err == nil {
			_, err = io.WriteString(c, "AUTH TLS\r\n")
			bufio.NewReader(c).ReadString('\n')
			c.Write(hello(s)[:100])
		}
		return err
	}},

	"tls, hellos byte by byte": {conns: floods, short: true, open: again(func(s *scene) error { return s.byteByByte("secure", hello(s)) })},
	"tls, hellos in records of a byte": {conns: floods, open: again(func(s *scene) error {
		return s.byteByByte("secure", inRecords(hello(s)))
	})},
	"passed, hellos byte by byte": {conns: floods, open: again(func(s *scene) error { return s.byteByByte("passes", hello(s)) })},
	"passed, long hellos in records of a byte": {conns: floods, short: true, open: again(func(s *scene) error {
		long := inRecords(append([]byte{22, 3, 1, 0x20, 0, 1, 0, 0x1f, 0xfc, 3, 3}, make([]byte, 8000)...))
		return s.byteByByte("passes", long[:16<<10-6])
	})},
	"tls, handshakes that are not finished": {conns: floods, short: true, open: again(func(s *scene) error {
		c, err := s.passing("secure")
		if err == nil {
			c.Write(hello(s))
			_, err = c.Read(make([]byte, 100)) // weir has signed
			c.Close()
		}
		return err
	})},
	"tls, handshakes that wait for their end": {conns: 1000, open: func(s *scene) error {
		c, err := s.dial(s.at["secure"])
		if err == nil {
			_, err = c.Write(hello(s))
		}
		return err
	}},
	"tls, handshakes": {conns: floods, open: again(func(s *scene) error {
		c, err := s.passing("secure")
		if err == nil {
			err = tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake()
			c.Close()
		}
		return err
	})},
	"tls, garbage": {conns: floods, open: again(func(s *scene) error {
		c, err := s.passing("secure")
		if err == nil {
			b := make([]byte, 2000)
			rand.Read(b)
			copy(b, []byte{22, 3, 1, 4, 0})
			c.Write(b)
			io.Copy(io.Discard, c)
			c.Close()
		}
		return err
	})},
	"tls, renegotiations": {conns: floods, open: again(func(s *scene) error { return s.renegotiate() })},
	"tls, updates of keys": {conns: floods, short: true, open: again(func(s *scene) error {
		return s.records(func(w *recordWriter) []byte { return w.updateKey(true) })
	})},
	"tls, empty records": {conns: floods, open: again(func(s *scene) error {
		return s.records(func(w *recordWriter) []byte { return w.record(23, nil) })
	})},
	"tls, records of a byte": {conns: floods, open: again(func(s *scene) error {
		i := 0
		text := "GET / HTTP/1.1\r\nHost: localhost\r\nX: "
		return s.records(func(w *recordWriter) []byte {
			b := byte('x')
			if i < len(text) {
				b = text[i]
			}
			i++
			return w.record(23, []byte{b})
		})
	})},
	"tls, warnings": {conns: floods, open: again(func(s *scene) error {
		return s.records(func(w *recordWriter) []byte { return w.record(21, []byte{1, 90}) })
	})},
}

// byteByByte sends each byte in a segment of its own.
func (s *scene) byteByByte(listener string, b []byte) error {
	c, err := s.passing(listener)
	if err != nil {
		return err
	}
	defer c.Close()
	for i := 0; i < len(b) && err == nil && s.goesOn(); i++ {
		_, err = c.Write(b[i : i+1])
	}
	return err
}

// hello is a ClientHello in one record.
func hello(s *scene) []byte {
	var b capture
	tls.Client(&b, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}).Handshake()
	return b.written
}

// capture keeps what is written to it.
type capture struct {
	net.Conn
	written []byte
}

func (c *capture) Write(p []byte) (int, error) {
	c.written = append(c.written, p...)
	return len(p), nil
}
func (c *capture) Read([]byte) (int, error)         { return 0, io.EOF }
func (c *capture) Close() error                     { return nil }
func (c *capture) SetDeadline(time.Time) error      { return nil }
func (c *capture) SetWriteDeadline(time.Time) error { return nil }

// inRecords divides a record into records of one byte.
func inRecords(record []byte) (b []byte) {
	for _, x := range record[5:] {
		b = append(b, 22, 3, 1, 0, 1, x)
	}
	return b
}

// renegotiate has OpenSSL's client ask for handshakes inside the first, by TLS 1.2, until the server ends it.
func (s *scene) renegotiate() error {
	c := exec.Command("openssl", "s_client", "-connect", s.at["secure"], "-tls1_2", "-servername", "localhost")
	in, err := c.StdinPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for err := error(nil); err == nil && s.goesOn(); time.Sleep(5 * time.Millisecond) {
			_, err = io.WriteString(in, "R\n")
			s.sent.Add(300)
		}
		in.Close()
		c.Process.Kill()
	}()
	c.Wait()
	in.Close()
	<-ended
	return nil
}

// ftp logs in.
func (s *scene) ftp(goOn func(c net.Conn, r *bufio.Reader) error) error {
	c, err := s.dial(s.at["ftp"])
	if err != nil {
		return err
	}
	c.SetReadDeadline(time.Now().Add(3 * time.Second))
	r := bufio.NewReader(c)
	for _, step := range [][2]string{{"", "220"}, {"USER anna", "331"}, {"PASS x", "230"}} {
		if err := exchanged(c, r, step[0], step[1]); err != nil {
			c.Close()
			return err
		}
	}
	return goOn(c, r)
}

// exchanged says something, if it is something, and hears a reply.
func exchanged(c net.Conn, r *bufio.Reader, say, hear string) error {
	if say != "" {
		io.WriteString(c, say+"\r\n")
	}
	line, err := r.ReadString('\n')
	if err == nil && !strings.HasPrefix(line, hear) {
		err = fmt.Errorf("%s: %q", say, line)
	}
	return err
}

// echoes answers the questions of good clients. Whatever else a flood brings the system drops before it, so that the server takes no part of this machine's processors for it: a server
// in the field has its own.
func echoes(t *testing.T) string {
	question := [...]unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 8}, // the first byte behind UDP's header
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 'q', Jf: 1},
		{Code: unix.BPF_RET, K: 1 << 16},
		{Code: unix.BPF_RET},
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		c.Control(func(fd uintptr) {
			err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(question)), Filter: &question[0]})
		})
		return err
	}}
	listened, err := config.ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := listened.(*net.UDPConn)
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 2000)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				c.WriteToUDPAddrPort(b[:n], from)
			}
		}
	}()
	return c.LocalAddr().String()
}

// files is an FTP server that has none, and opens a port for each PASV until its session ends.
func files(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { c.Close() })
			go filesSession(c)
		}
	}()
	return l.Addr().String()
}

func filesSession(c net.Conn) {
	defer c.Close()
	var port net.Listener
	say := func(text string) { io.WriteString(c, text+"\r\n") }
	say("220 ready")
	for lines := bufio.NewScanner(c); lines.Scan(); {
		switch verb, _, _ := strings.Cut(lines.Text(), " "); strings.ToUpper(verb) {
		case "USER":
			say("331 who are you")
		case "PASS":
			say("230 come in")
		case "PASV":
			if port != nil {
				port.Close()
			}
			var err error
			if port, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
				say("425 no port")
				continue
			}
			defer port.Close()
			at := netip.MustParseAddrPort(port.Addr().String()).Port()
			say(fmt.Sprintf("227 at (127,0,0,1,%d,%d)", at>>8, at&255))
		case "QUIT":
			say("221 goodbye")
			return
		default:
			say("200 as you say")
		}
	}
}
