package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	datagramSize   = 64
	datagramPeers  = 16 // clients
	datagramWindow = 32 // of each on the way
)

func datagrams() *question {
	return &question{
		Name:     "udp-echo",
		Asks:     "How many datagrams of 64 bytes does a CPU second carry to a server and back, for 16 clients with 32 on the way each?",
		subjects: []string{"nginx", "weir"},
		figures:  []figure{{"echoes per CPU second", "/s"}, {"cpu", "µs"}, {"rate", "/s"}},
		targets:  []target{{Figure: "echoes per CPU second", Peer: "nginx", Bound: 3, AtLeast: true}},
		measure:  echoDatagrams,
	}
}

// echoDatagrams has another process send and count, so that its work is in nobody's figures.
func echoDatagrams(ctx context.Context, b *bed, s *subject) (sample, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	before, err := s.process.Usage()
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, self, "datagrams", s.flowAddress, strconv.Itoa(b.seconds)).Output()
	if err != nil {
		return nil, err
	}
	after, err := s.process.Usage()
	if err != nil {
		return nil, err
	}
	var echoes float64
	if _, err := fmt.Sscan(string(out), &echoes); err != nil || echoes == 0 {
		return nil, fmt.Errorf("%q echoes: %w", out, err)
	}
	cpu := after.Sub(before).CPU.Seconds()
	return sample{"echoes per CPU second": echoes / cpu, "cpu": cpu / echoes * 1e6, "rate": echoes / float64(b.seconds)}, nil
}

// sendDatagrams is the main program of the sender: each client keeps its window full, and fills it again when nothing comes any more.
func sendDatagrams(address, seconds string) error {
	n, err := strconv.Atoi(seconds)
	if err != nil {
		return err
	}
	var echoes atomic.Int64
	var all sync.WaitGroup
	until := time.Now().Add(time.Duration(n) * time.Second)
	for range datagramPeers {
		c, err := net.Dial("udp", address)
		if err != nil {
			return err
		}
		all.Go(func() { echoes.Add(echoUntil(c, until)) })
	}
	all.Wait()
	fmt.Println(echoes.Load())
	return nil
}

func echoUntil(c net.Conn, until time.Time) (echoes int64) {
	out, in := make([]byte, datagramSize), make([]byte, 2048)
	for time.Now().Before(until) {
		for range datagramWindow {
			c.Write(out)
		}
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		for range datagramWindow {
			if n, err := c.Read(in); err != nil || n != datagramSize {
				break // lost
			}
			echoes++
		}
	}
	return echoes
}

// An echoServer is a process that sends every datagram back.
type echoServer struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	address string
}

func startEcho() (*echoServer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "echo")
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
	line := bufio.NewScanner(stdout)
	line.Scan()
	return &echoServer{cmd, stdin, line.Text()}, nil
}

func (e *echoServer) stop() {
	e.stdin.Close()
	e.cmd.Wait()
}

// echo is the echo server's main program; it ends with its standard input.
func echo() error {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	c.SetReadBuffer(4 << 20)
	fmt.Println(c.LocalAddr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		c.Close()
	}()
	b := make([]byte, 2048)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return nil
		}
		c.WriteToUDPAddrPort(b[:n], from)
	}
}
