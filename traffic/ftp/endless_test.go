package ftp

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/telemetry/reason"
)

// endless is a server whose answer to each command named, or whose greeting (""), never ends: line comes again and again, with a pause between.
func endless(command, line string, pause time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		if command != "" {
			io.WriteString(c, "220 Hello\r\n")
			b := make([]byte, 100)
			for {
				n, err := c.Read(b)
				if err != nil {
					return
				}
				if strings.HasPrefix(string(b[:n]), command) {
					break
				}
				io.WriteString(c, "230 In\r\n")
			}
		}
		go io.Copy(io.Discard, c)
		for {
			if _, err := io.WriteString(c, line+"\r\n"); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
}

// What a server says that no client gets has an end: in bytes, and in time where weir waits for it.
func TestRepliesWithoutEnd(t *testing.T) {
	for name, c := range map[string]struct {
		command, line string
		pause         time.Duration
		most          time.Duration // how long it may take
	}{
		"a greeting":                   {"", "220-aaaa", 0, time.Second},
		"a greeting of empty lines":    {"", "220-", 0, time.Second},
		"a greeting that drips":        {"", "220-aaaa", 10 * time.Second, replyWithin + time.Second},
		"lines around an address":      {"PASV", "227-aaaa", 0, time.Second},
		"features that are weir's own": {"FEAT", "211-Features:\r\n AUTH TLS\r\n EPSV", 0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(w *world, _ *Setup) { w.server = endless(c.command, c.line, c.pause) }, func(w *world) {
				client := w.begin()
				began := time.Now()
				if c.command != "" {
					client.hears("220 Hello")
					client.says(c.command)
				}
				text, _ := io.ReadAll(client.r)
				if took := time.Since(began); took > c.most || !strings.HasSuffix(string(text), "421 Service not available\r\n") {
					t.Errorf("%q after %v", text[max(0, len(text)-200):], took)
				}
				w.wantEnd(reason.FTPServer)
			})
		})
	}
}

// A reply that the client gets may be as long as the client likes.
func TestALongReplyIsPassedOn(t *testing.T) {
	const lines = 20_000
	in(t, func(w *world, _ *Setup) {
		w.server = func(c net.Conn) {
			io.WriteString(c, "220 Hello\r\n")
			c.Read(make([]byte, 100))
			io.WriteString(c, "213-Status\r\n"+strings.Repeat(" a file\r\n", lines)+"213 End\r\n")
			io.Copy(io.Discard, c)
		}
	}, func(w *world) {
		client := w.connect()
		client.says("SITE LIST")
		client.c.SetReadDeadline(time.Now().Add(time.Second))
		text, _ := io.ReadAll(client.r)
		if n := strings.Count(string(text), " a file\r\n"); n != lines || !strings.HasSuffix(string(text), "213 End\r\n") {
			t.Errorf("%d lines, and %q in the end", n, text[max(0, len(text)-100):])
		}
		client.c.Close()
	})
}
