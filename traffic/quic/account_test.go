package quic

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http3"
)

// idle takes streams and does nothing with them.
type idle struct{}

func (idle) Open(*Stream) {}
func (idle) Ended(*Conn)  {}

// pair connects a peer, whose every byte is in the hands of the test, with a weir that is its server, or its client.
func pair(t *testing.T, l *engine.Loop, toServer bool) (peer *quicgo.Conn) {
	t.Helper()
	listener, err := quicgo.ListenAddr("127.0.0.1:0", identity(t), &quicgo.Config{MaxIncomingUniStreams: unidirectionalMost})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	dialed, err := quicgo.DialAddr(ctx, listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}, &quicgo.Config{MaxIncomingUniStreams: unidirectionalMost})
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	config := &Config{Limits: &http1.Limits{}, Header: 5 * time.Second, Send: 5 * time.Second, Idle: time.Minute}
	if toServer {
		l.Call(func() { connect(dialed, l, config, idle{}, func() {}) })
		return accepted
	}
	c := New(accepted, l, config, netip.AddrPort{}, netip.AddrPort{})
	c.Begin(idle{})
	go c.Serve()
	t.Cleanup(func() { dialed.CloseWithError(0, "") })
	return dialed
}

// onControl has a peer send its settings and then, again and again, what frames makes.
func onControl(frames func(i int) []byte) func(*quicgo.Conn) error {
	return onUnidirectional(append([]byte{http3.StreamControl}, http3.AppendHeader(nil, http3.FrameSettings, 0)...), frames)
}

func onUnidirectional(first []byte, frames func(i int) []byte) func(*quicgo.Conn) error {
	return func(c *quicgo.Conn) error {
		s, err := c.OpenUniStream()
		if err != nil {
			return err
		}
		_, err = s.Write(first)
		for i := 0; err == nil; i++ {
			_, err = s.Write(frames(i))
		}
		return err
	}
}

// onStreams has a peer do the same on stream after stream.
func onStreams(do func(*quicgo.Stream) error) func(*quicgo.Conn) error {
	return func(c *quicgo.Conn) error {
		for {
			s, err := c.OpenStreamSync(c.Context())
			if err != nil {
				return err
			}
			if err := do(s); err != nil {
				var reset *quicgo.StreamError
				if !errors.As(err, &reset) {
					return err
				}
			}
		}
	}
}

func frameOf(kind uint64, payload ...byte) []byte {
	return append(http3.AppendHeader(nil, kind, len(payload)), payload...)
}

func varint(n int) []byte { return http3.AppendVarint(nil, uint64(n)) }

// post is the head of a POST, whose content follows.
var post = frameOf(http3.FrameHeaders, []byte("\x00\x00\xd4\xd7\xc1\x50\x01a")...)

// Frames that are of no use are charged as they are read: a flood ends its connection although the loop is busy with something else, and causes it no work, neither a frame nor a turn.
func TestFloodsAreCutWhileTheLoopIsBusy(t *testing.T) {
	grease := bytes.Repeat(frameOf(0x21), 100)
	floods := map[string]struct {
		toServer bool
		flood    func(*quicgo.Conn) error
	}{
		"unknown frames on the control stream": {false, onControl(func(int) []byte { return grease })},
		"unknown frames of a server":           {true, onControl(func(int) []byte { return grease })},
		"PRIORITY_UPDATE of the same streams":  {false, onControl(func(i int) []byte { return frameOf(http3.FramePriorityUpdate, append(varint(4*(i%100)), "u=1"...)...) })},
		"PRIORITY_UPDATE of new streams":       {false, onControl(func(i int) []byte { return frameOf(http3.FramePriorityUpdate, append(varint(4*i), "u=1"...)...) })},
		"MAX_PUSH_ID":                          {false, onControl(func(i int) []byte { return frameOf(http3.FrameMaxPushID, varint(i)...) })},
		"GOAWAY":                               {false, onControl(func(int) []byte { return frameOf(http3.FrameGoAway, 0) })},
		"GOAWAY of a server":                   {true, onControl(func(int) []byte { return frameOf(http3.FrameGoAway, varint(1<<40)...) })},
		"capacities on the encoder stream":     {false, onUnidirectional([]byte{http3.StreamEncoder}, func(int) []byte { return bytes.Repeat([]byte{0x20}, 100) })},
		"capacities of a server":               {true, onUnidirectional([]byte{http3.StreamEncoder}, func(int) []byte { return bytes.Repeat([]byte{0x20}, 100) })},
		"cancellations on the decoder stream":  {false, onUnidirectional([]byte{http3.StreamDecoder}, func(int) []byte { return bytes.Repeat([]byte{0x44}, 1000) })},
		"unidirectional streams that nobody knows": {false, func(c *quicgo.Conn) error {
			for {
				s, err := c.OpenUniStreamSync(c.Context())
				if err != nil {
					return err
				}
				s.Write([]byte{0x21, 1})
				s.Close()
			}
		}},
		"unidirectional streams of a server": {true, func(c *quicgo.Conn) error {
			for {
				s, err := c.OpenUniStreamSync(c.Context())
				if err != nil {
					return err
				}
				s.Write([]byte{0x21, 1})
				s.Close()
			}
		}},
		"unidirectional streams without a type": {false, func(c *quicgo.Conn) error {
			for {
				s, err := c.OpenUniStreamSync(c.Context())
				if err != nil {
					return err
				}
				s.Close()
			}
		}},
		"unknown frames before a head": {false, onStreams(func(s *quicgo.Stream) error {
			_, err := s.Write(append(bytes.Repeat(frameOf(0x21), 16), post...))
			s.CancelWrite(0)
			return err
		})},
		"unknown frames behind a head": {false, onStreams(func(s *quicgo.Stream) error {
			_, err := s.Write(append(post, grease...))
			return err
		})},
		"empty DATA frames": {false, onStreams(func(s *quicgo.Stream) error {
			_, err := s.Write(append(post, bytes.Repeat(frameOf(http3.FrameData), 100)...))
			return err
		})},
		"streams without a request": {false, onStreams(func(s *quicgo.Stream) error { return s.Close() })},
		"streams that are reset": {false, onStreams(func(s *quicgo.Stream) error {
			s.CancelWrite(0)
			s.CancelRead(0)
			return nil
		})},
	}
	for name, f := range floods {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := engine.New(engine.Config{Loops: 1, Log: func(string, ...any) {}})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			l := e.Loops()[0]
			peer := pair(t, l, f.toServer)
			busy, free := make(chan struct{}), make(chan struct{})
			var before, after uint64
			l.Post(func() {
				before = l.Stats.Posted
				close(busy)
				<-free
			})
			<-busy
			ended := make(chan error, 1)
			go func() { ended <- f.flood(peer) }()
			select {
			case <-peer.Context().Done():
			case <-time.After(20 * time.Second):
				t.Error("the flood goes on")
			}
			close(free)
			var closed *quicgo.ApplicationError
			if err := context.Cause(peer.Context()); !errors.As(err, &closed) || http3.Code(closed.ErrorCode) != http3.ExcessiveLoad {
				t.Errorf("the flood ends by %v", err)
			}
			peer.CloseWithError(0, "")
			<-ended
			l.Call(func() { after = l.Stats.Posted })
			// A stream with a head is the loop's, which is told of it and of its end.
			if most := uint64(2*128 + 10); after-before > most {
				t.Errorf("the loop was given %d pieces of work by a flood, expected at most %d", after-before, most)
			}
		})
	}
}
