package main

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// talkers is how many WebSocket connections talk at a time; messageSize is the payload of each message.
const (
	talkers     = 1000
	messageSize = 125
)

// A chat is the server behind the proxies that echoes WebSocket messages. It knows of WebSocket what the load needs: all messages have one size, so that a
// frame from a client is 4 bytes of mask longer than the one that answers it.
type chat struct{ listener net.Listener }

func newChat() (*chat, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &chat{l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveChat(conn)
		}
	}()
	return c, nil
}

func (c *chat) address() string { return c.listener.Addr().String() }
func (c *chat) close()          { c.listener.Close() }

func serveChat(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	request, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	frame := make([]byte, 2+4+messageSize)
	for {
		if _, err := io.ReadFull(r, frame); err != nil {
			return
		}
		for i := range messageSize {
			frame[6+i] ^= frame[2+i&3]
		}
		frame[4], frame[5] = 0x82, messageSize
		if _, err := conn.Write(frame[4:]); err != nil {
			return
		}
	}
}

// talk is one load of messages: each connection sends one when the last has come back.
type talk struct {
	address string
	seconds int
}

func (t *talk) run(ctx context.Context) (loaded, error) {
	var messages atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, talkers)
	until := time.Now().Add(time.Duration(t.seconds) * time.Second)
	for range talkers {
		wg.Go(func() {
			if err := t.one(until, &messages); err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return loaded{}, err
	default:
	}
	return loaded{Requests: float64(messages.Load()), Seconds: float64(t.seconds)}, nil
}

func (t *talk) one(until time.Time, messages *atomic.Int64) error {
	conn, err := net.Dial("tcp", t.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(until.Add(10 * time.Second))
	fmt.Fprintf(conn, "GET /chat HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", t.address)
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	if response.StatusCode != 101 {
		return errors.New("status " + response.Status)
	}
	sent, got := make([]byte, 2+4+messageSize), make([]byte, 2+messageSize)
	sent[0], sent[1], sent[2], sent[5] = 0x82, 0x80|messageSize, 7, 3
	for time.Now().Before(until) {
		if _, err := conn.Write(sent); err != nil {
			return err
		}
		if _, err := io.ReadFull(r, got); err != nil {
			return err
		}
		if got[0] != 0x82 || got[2] != sent[2] || got[5] != sent[5] {
			return fmt.Errorf("another message came back: %x", got)
		}
		messages.Add(1)
	}
	return nil
}
