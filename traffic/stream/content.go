package stream

import (
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
)

// content is a DATA frame whose payload has not come completely. Its bytes go to the stream as they come: a frame that comes slowly holds no buffer, and concerns
// no other stream. The windows were charged for all of it when it began.
type content struct {
	stream  uint32
	data    int // bytes of content that are still to come
	padding int // bytes behind them
	length  int // of the content in all
	ends    bool
	refused bool // nobody wants the bytes
}

func (d *content) isOpen() bool { return d.left() > 0 }

// left is how many bytes of the payload are still to come.
func (d *content) left() int { return d.data + d.padding }

// mayBegin reports whether a frame can be handled before it is complete: DATA, once the length of its padding is here.
func (c *Conn) mayBegin(h http2.Header, p []byte) bool {
	return h.Type == http2.FrameData && c.blockFrames == 0 && (h.Flags&http2.FlagPadded == 0 || len(p) > 0)
}

// beginData takes a DATA frame with as much of its payload as is here.
func (c *Conn) beginData(h http2.Header, p []byte) *http2.ConnError {
	if !c.recvWindow.Take(h.Length) {
		return &http2.ConnError{Code: http2.FlowControlError, Why: "connection_window_exceeded"}
	}
	padding, err := http2.Padding(h, p)
	if err != nil {
		return err
	}
	if h.Flags&http2.FlagPadded != 0 {
		p = p[1:]
	}
	c.content = content{stream: h.Stream, data: h.Length - padding, padding: padding, ends: h.Flags&http2.FlagEndStream != 0}
	if h.Flags&http2.FlagPadded != 0 {
		c.content.data-- // the length of the padding
	}
	c.content.length = c.content.data
	s := c.find(h.Stream)
	if s == nil {
		if c.isIdle(h.Stream) {
			return &http2.ConnError{Code: http2.ProtocolError, Why: "data_when_idle"}
		}
		err = c.late(h)
	} else {
		err = c.admitData(s, h)
	}
	if c.content.refused = s == nil || c.find(h.Stream) != s || s.lingers != 0; c.content.refused {
		c.giveRoom()
	}
	if err != nil {
		return err
	}
	return c.moreData(p)
}

// admitData decides whether the stream may get the content.
func (c *Conn) admitData(s *Stream, h http2.Header) *http2.ConnError {
	d := &c.content
	if c.toServer && !s.hasHead {
		// RFC 9113 section 8.1: a response is "one HEADERS frame (followed by zero or more CONTINUATION frames)" and then "zero or more DATA frames"; "Malformed requests or
		// responses that are detected MUST be treated as a stream error (Section 5.4.2) of type PROTOCOL_ERROR."
		c.giveRoom()
		s.lose(&http1.Fault{Status: 502, Reason: "data_before_head"})
		s.reset(http2.ProtocolError)
		return c.spend(http2.GlitchResetCaused)
	}
	if refusal := s.state.On(http2.RecvData); refusal != nil {
		return c.resetCaused(s, refusal.Code)
	}
	if !s.recv.Take(h.Length) {
		return c.resetCaused(s, http2.FlowControlError)
	}
	if padding := h.Length - d.data; padding > 0 {
		s.giveRoom(padding)
	}
	if s.got += int64(d.data); s.length >= 0 && (s.got > s.length || d.ends && s.got < s.length) {
		// Section 8.1.1: "A request or response is also malformed if the value of a content-length header field does not equal the sum of the DATA frame
		// payload lengths that form the content".
		return c.resetCaused(s, http2.ProtocolError)
	}
	return nil
}

// moreData takes bytes of the payload of the DATA frame that has begun.
func (c *Conn) moreData(p []byte) *http2.ConnError {
	d := &c.content
	n := min(len(p), d.data)
	d.data -= n
	d.padding -= len(p) - n
	var s *Stream
	if !d.refused {
		s = c.find(d.stream) // it may have ended since the frame began
	}
	if s != nil && n > 0 {
		c.held += n
		s.deliver(p[:n])
		c.giveRoom()
	}
	if d.isOpen() {
		return nil
	}
	if d.refused {
		c.endLingering(d)
		if d.length == 0 && !d.ends {
			return c.spend(http2.GlitchEmpty)
		}
		return nil
	}
	if s == nil {
		c.giveRoom()
		return nil
	}
	if d.ends {
		s.endReceive()
		return nil
	}
	return c.spendData(d.length)
}

// spendData takes from the peer's budget what a DATA frame of so many bytes costs. What a server streams may be any number of tiny frames.
func (c *Conn) spendData(length int) *http2.ConnError {
	switch {
	case length == 0:
		return c.spend(http2.GlitchEmpty)
	case c.toServer:
	case length < http2.TinyData:
		return c.spend(http2.GlitchTiny)
	case length >= http2.WorthData:
		c.budget.EarnWorth()
	}
	return nil
}
