package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"syscall"
	"time"
	"unsafe"
)

// pacePatience is how long the last answers may take.
const pacePatience = 5 * time.Second

// A pacer sends GETs at a constant rate, evenly spaced, whatever the answers do, and times each from the moment when
// it was due: a request that finds all connections busy waits, and its wait counts. (wrk sends when answered, so a
// stall hides the requests that it kept back; h2load wakes by the millisecond and sends in bursts.)
//
// It runs on one thread, on epoll, with a timeout in nanoseconds.
type pacer struct {
	request []byte
	body    int // size of each answer's body
	epoll   int
	conns   []paced
	free    []int // connections without a request, the last used last
	times   []float64
}

// paced is one connection.
type paced struct {
	fd  int
	due time.Time // of the request under way
	in  []byte    // of its answer
}

// pace loads the address with rate requests a second, and returns quantiles of their latency in µs.
func pace(ctx context.Context, address, path string, body int, rate float64, seconds int) (sample, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := &pacer{request: []byte("GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n"), body: body}
	defer p.close()
	if err := p.open(address); err != nil {
		return nil, err
	}
	count := int(rate * float64(seconds))
	p.times = make([]float64, 0, count)
	if err := p.run(ctx, count, time.Duration(float64(time.Second)/rate)); err != nil {
		return nil, err
	}
	slices.Sort(p.times)
	return sample{
		"p50":   quantile(p.times, 0.5),
		"p99":   quantile(p.times, 0.99),
		"p99.9": quantile(p.times, 0.999),
		"rate":  float64(count) / float64(seconds),
	}, nil
}

// open makes the connections.
func (p *pacer) open(address string) error {
	tcp, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return err
	}
	if p.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return err
	}
	to := &syscall.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(tcp.IP.To4())}
	for i := range connections {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		p.conns = append(p.conns, paced{fd: fd, in: make([]byte, 0, 4096)})
		p.free = append(p.free, i)
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)}
		err = errors.Join(syscall.Connect(fd, to), syscall.SetNonblock(fd, true),
			syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1),
			syscall.EpollCtl(p.epoll, syscall.EPOLL_CTL_ADD, fd, &event))
		if err != nil {
			return err
		}
	}
	return nil
}

// run sends count requests, one an interval, and waits for their answers.
func (p *pacer) run(ctx context.Context, count int, interval time.Duration) error {
	start := time.Now()
	due := func(i int) time.Time { return start.Add(time.Duration(i) * interval) }
	end := due(count).Add(pacePatience)
	var events [connections]syscall.EpollEvent
	for sent := 0; len(p.times) < count; {
		now := time.Now()
		for sent < count && len(p.free) > 0 && !due(sent).After(now) {
			if err := p.send(due(sent)); err != nil {
				return err
			}
			sent++
		}
		if now.After(end) || ctx.Err() != nil {
			return fmt.Errorf("%d of %d requests were not answered after %v (%v)", count-len(p.times), count, now.Sub(start).Round(time.Millisecond), ctx.Err())
		}
		wait := time.Millisecond
		if sent < count && len(p.free) > 0 {
			wait = max(0, time.Until(due(sent)))
		}
		n, err := p.wait(events[:], wait)
		if err != nil {
			return err
		}
		for _, e := range events[:n] {
			if err := p.receive(int(e.Fd)); err != nil {
				return err
			}
		}
	}
	return nil
}

// send sends a request that was due at the time given, on the connection that rested longest.
func (p *pacer) send(due time.Time) error {
	i := p.free[0]
	p.free = append(p.free[:0], p.free[1:]...)
	c := &p.conns[i]
	c.due, c.in = due, c.in[:0]
	_, err := syscall.Write(c.fd, p.request)
	return err
}

// receive reads what there is of an answer and, when it is whole, notes its time.
func (p *pacer) receive(i int) error {
	c := &p.conns[i]
	n, err := syscall.Read(c.fd, c.in[len(c.in):cap(c.in)])
	if err != nil || n == 0 {
		return fmt.Errorf("the proxy closed a connection: %v", err)
	}
	c.in = c.in[:len(c.in)+n]
	head := bytes.Index(c.in, []byte("\r\n\r\n"))
	if head < 0 || len(c.in) < head+4+p.body {
		return nil
	}
	if len(c.in) != head+4+p.body || !bytes.HasPrefix(c.in, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("an answer that is not 200 with %d bytes: %q", p.body, c.in[:head])
	}
	p.times = append(p.times, float64(time.Since(c.due))/float64(time.Microsecond))
	p.free = append(p.free, i)
	return nil
}

// sysEpollPwait2 has the same number on every architecture; package syscall does not know it.
const sysEpollPwait2 = 441

// wait is epoll_wait with a timeout in nanoseconds. The call is made raw: handing the processor over to Go's
// scheduler and back would be in the latencies.
func (p *pacer) wait(events []syscall.EpollEvent, timeout time.Duration) (int, error) {
	t := syscall.NsecToTimespec(int64(timeout))
	n, _, errno := syscall.RawSyscall6(sysEpollPwait2, uintptr(p.epoll), uintptr(unsafe.Pointer(&events[0])),
		uintptr(len(events)), uintptr(unsafe.Pointer(&t)), 0, 0)
	if errno != 0 && errno != syscall.EINTR {
		return 0, fmt.Errorf("epoll_pwait2: %w", errno)
	}
	if errno != 0 {
		return 0, nil
	}
	return int(n), nil
}

// close closes the connections.
func (p *pacer) close() {
	for _, c := range p.conns {
		syscall.Close(c.fd)
	}
	syscall.Close(p.epoll)
}

// quantile returns the value below which the part q of the sorted values lies.
func quantile(sorted []float64, q float64) float64 {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
