package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sources is the number of loopback addresses that the held connections come from.
const sources = 3

// A holder is a process of its own that holds connections, so that their client side is in nobody's figures.
type holder struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

// startHolder starts this program once more as the holder, and returns when it holds them all.
func startHolder(ctx context.Context, address string, count int, secure bool) (*holder, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "hold", address, strconv.Itoa(count), strconv.FormatBool(secure))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	h := &holder{cmd, stdin, bufio.NewScanner(stdout)}
	if err := h.expect("held"); err != nil {
		h.stop()
		return nil, err
	}
	return h, nil
}

// check asks the holder whether all connections are still open.
func (h *holder) check() error {
	if _, err := io.WriteString(h.stdin, "check\n"); err != nil {
		return err
	}
	return h.expect("open")
}

// expect reads one line.
func (h *holder) expect(word string) error {
	if !h.lines.Scan() || h.lines.Text() != word {
		return fmt.Errorf("holder of connections: want %q, got %q", word, h.lines.Text())
	}
	return nil
}

// stop ends the holder.
func (h *holder) stop() {
	h.stdin.Close()
	h.cmd.Wait()
}

// hold is the holder's main program.
func hold(address, count, secure string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		limit.Cur = limit.Max
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	conns := make([]net.Conn, n)
	for i := range conns {
		if conns[i], err = holdOne(address, i%sources, secure == "true"); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	fmt.Println("held")
	for commands := bufio.NewScanner(os.Stdin); commands.Scan(); {
		if err := allOpen(conns); err != nil {
			return err
		}
		fmt.Println("open")
	}
	return nil
}

// holdOne opens a connection from one of the sources and does one request on it.
func holdOne(address string, source int, secure bool) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+source))}}
	c, err := dialer.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if secure {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if err := ask128(c); err != nil {
		return nil, err
	}
	return c, nil
}

// ask128 does one request for 128 bytes.
func ask128(c net.Conn) error {
	if _, err := io.WriteString(c, "GET /128 HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 || len(body) != 128 {
		return fmt.Errorf("answer %s, %d bytes: %v", strings.TrimSpace(response.Status), len(body), err)
	}
	return nil
}

// allOpen reads from each connection and must find nothing there, not even its end.
func allOpen(conns []net.Conn) error {
	var b [1]byte
	for i, c := range conns {
		c.SetReadDeadline(time.Now().Add(50 * time.Microsecond))
		if _, err := c.Read(b[:]); !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("connection %d was not kept: %v", i, err)
		}
	}
	return nil
}
