package stream

import (
	"encoding/binary"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
)

// frames handles the frames that have been read: complete ones, and of a DATA frame as much as is there. What is left is the beginning of one.
func (c *Conn) frames() *http2.ConnError {
	if !c.prefaced {
		if err := c.preface(); err != nil || !c.prefaced {
			return err
		}
	}
	for !c.closing {
		b := c.in[c.inFrom:c.inTo]
		if c.content.isOpen() && len(b) > 0 {
			n := min(len(b), c.content.left())
			c.inFrom += n
			if err := c.moreData(b[:n]); err != nil {
				return err
			}
			continue
		}
		if len(b) < http2.HeaderLen {
			break
		}
		h := http2.ParseHeader(b)
		if h.Length > http2.DefaultMaxFrame {
			// Section 4.2: "An endpoint MUST send an error code of FRAME_SIZE_ERROR if a frame exceeds the size defined in SETTINGS_MAX_FRAME_SIZE".
			return &http2.ConnError{Code: http2.FrameSizeError, Why: "frame_too_long"}
		}
		end := http2.HeaderLen + h.Length
		if len(b) < end {
			if !c.mayBegin(h, b[http2.HeaderLen:]) {
				c.growIn(end)
				break
			}
			end = len(b)
		}
		c.inFrom += end
		if err := c.frame(h, b[http2.HeaderLen:end]); err != nil {
			return err
		}
	}
	c.settleIn()
	return nil
}

// preface: section 3.4: "Clients and servers MUST treat an invalid connection preface as a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
func (c *Conn) preface() *http2.ConnError {
	b := c.in[c.inFrom:c.inTo]
	n := min(len(b), len(http2.Preface))
	if string(b[:n]) != http2.Preface[:n] {
		return &http2.ConnError{Code: http2.ProtocolError, Why: "bad_preface"}
	}
	if n == len(http2.Preface) {
		c.prefaced = true
		c.inFrom += n
		return nil
	}
	c.settleIn()
	return nil
}

// settleIn moves what is left to the front and notes since when it is there.
func (c *Conn) settleIn() {
	if c.inFrom == c.inTo {
		c.inFrom, c.inTo = 0, 0
	} else if c.inFrom > 0 {
		c.inTo = copy(c.in, c.in[c.inFrom:c.inTo])
		c.inFrom = 0
	}
	switch {
	case !c.isTimed():
		c.began = 0
	case c.began == 0:
		c.began = c.loop.Now()
	}
}

// isTimed reports whether the peer has begun something that must end within the time of a head: the preface with its settings, a head, or another frame than
// DATA. Content has the time of its stream, and so has a frame whose type has not come yet.
func (c *Conn) isTimed() bool {
	const typeAt = 3
	return c.blockFrames > 0 || !c.prefaced || !c.hasSettings && !c.toServer || c.inTo > typeAt && http2.FrameType(c.in[typeAt]) != http2.FrameData
}

// growIn makes room for a frame of n bytes.
func (c *Conn) growIn(n int) {
	if n <= len(c.in) {
		return
	}
	b := c.loop.Buffer(max(n, engine.Buffer64K))
	c.inTo = copy(b, c.in[c.inFrom:c.inTo])
	c.inFrom = 0
	c.loop.Release(c.in)
	c.in = b
}

// frame handles one frame.
func (c *Conn) frame(h http2.Header, p []byte) *http2.ConnError {
	if c.blockFrames > 0 && (h.Type != http2.FrameContinuation || h.Stream != c.blockHeader.Stream) {
		// Section 6.2: "A receiver MUST treat the receipt of any other type of frame or a frame on a different stream as a connection error
		// (Section 5.4.1) of type PROTOCOL_ERROR."
		return &http2.ConnError{Code: http2.ProtocolError, Why: h.Type.String() + "_in_head"}
	}
	if !c.hasSettings {
		// Section 3.4: "The server connection preface consists of a potentially empty SETTINGS frame … that MUST be the first frame"; the client's
		// likewise.
		if h.Type != http2.FrameSettings || h.Flags&http2.FlagAck != 0 {
			return &http2.ConnError{Code: http2.ProtocolError, Why: "settings_missing"}
		}
		c.hasSettings = true
	}
	if err, soft := http2.CheckHeader(h); err != nil {
		if s := c.find(h.Stream); soft && s != nil {
			return c.resetCaused(s, err.Code)
		}
		return err
	}
	if len(c.out) > outUnread {
		return &http2.ConnError{Code: http2.EnhanceYourCalm, Why: "answers_not_read"}
	}
	switch h.Type {
	case http2.FrameData:
		c.pings = 0
		return c.beginData(h, p)
	case http2.FrameHeaders:
		c.pings = 0
		return c.headers(h, p)
	case http2.FrameContinuation:
		return c.continuation(h, p)
	case http2.FramePriority:
		return c.priority(h, p)
	case http2.FrameRSTStream:
		return c.rst(h, http2.Code(binary.BigEndian.Uint32(p)))
	case http2.FrameSettings:
		return c.settings(h, p)
	case http2.FramePing:
		return c.ping(h, p)
	case http2.FrameGoAway:
		return c.goaway(binary.BigEndian.Uint32(p)&0x7fffffff, http2.Code(binary.BigEndian.Uint32(p[4:])))
	case http2.FrameWindowUpdate:
		return c.windowUpdate(h, int(binary.BigEndian.Uint32(p)&0x7fffffff))
	case http2.FramePriorityUpdate:
		return c.priorityUpdate(p)
	case http2.FramePushPromise:
		// Section 8.4: "A client cannot push." Section 6.6: "A receiver MUST treat the receipt of a PUSH_PROMISE … as a connection error" where push is off.
		return &http2.ConnError{Code: http2.ProtocolError, Why: "push_promise"}
	}
	return c.spend(http2.GlitchUnknown)
}

// resetCaused ends a stream because of what the peer has sent, and takes it from its budget.
func (c *Conn) resetCaused(s *Stream, code http2.Code) *http2.ConnError {
	s.lose(errPeer)
	s.reset(code)
	return c.spend(http2.GlitchResetCaused)
}

func (c *Conn) settings(h http2.Header, p []byte) *http2.ConnError {
	if h.Flags&http2.FlagAck != 0 {
		if !c.acked { // of the settings that weir has sent, once
			c.acked = true
			return nil
		}
		return c.spend(http2.GlitchSettings)
	}
	before := c.theirs.InitialWindow
	if err := c.theirs.Take(p, c.toServer); err != nil {
		return err
	}
	if delta := int(c.theirs.InitialWindow) - int(before); delta != 0 {
		for _, s := range c.streams {
			// Section 6.9.2: "An endpoint MUST treat a change to SETTINGS_INITIAL_WINDOW_SIZE that causes any flow-control window to exceed the maximum
			// size as a connection error (Section 5.4.1) of type FLOW_CONTROL_ERROR."
			if !s.send.Add(delta) {
				return &http2.ConnError{Code: http2.FlowControlError, Why: "window_too_large"}
			}
		}
	}
	for _, s := range c.asking {
		s.Arrive()
	}
	c.asking = nil
	c.room(9)
	c.out = http2.AppendSettingsAck(c.out)
	c.flushLater()
	return c.spend(http2.GlitchSettings)
}

func (c *Conn) ping(h http2.Header, p []byte) *http2.ConnError {
	if h.Flags&http2.FlagAck != 0 {
		wasAsked := c.waitsFor
		c.waitsFor = false
		switch {
		case c.asked && [8]byte(p) == leavePing:
			c.leaveNow(http2.NoError)
		case !wasAsked:
			return c.spend(http2.GlitchPing)
		}
		return nil
	}
	c.room(17)
	c.out = http2.AppendPing(c.out, true, [8]byte(p))
	c.flushLater()
	return c.spend(http2.GlitchPing)
}

func (c *Conn) priority(h http2.Header, p []byte) *http2.ConnError {
	if binary.BigEndian.Uint32(p)&0x7fffffff == h.Stream {
		// RFC 7540 section 5.3.1: "A stream cannot depend on itself. An endpoint MUST treat this as a stream error".
		if s := c.find(h.Stream); s != nil {
			return c.resetCaused(s, http2.ProtocolError)
		}
		return &http2.ConnError{Code: http2.ProtocolError, Why: "priority_on_itself"}
	}
	return c.spend(http2.GlitchPriority)
}

// priorityUpdate: RFC 9218 section 7.1: "A PRIORITY_UPDATE frame … on any stream other than 0x0 MUST be treated as a connection error"; one for a stream that is
// not open is without effect.
func (c *Conn) priorityUpdate(p []byte) *http2.ConnError {
	if c.toServer {
		return &http2.ConnError{Code: http2.ProtocolError, Why: "priority_update_from_server"}
	}
	id := binary.BigEndian.Uint32(p) & 0x7fffffff
	if id%2 == 0 {
		// RFC 9218 section 7.1: "If a PRIORITY_UPDATE frame is received with a Prioritized Stream ID of 0x0, the recipient MUST respond with a connection error of type PROTOCOL_ERROR." An even
		// one would be a push stream, of which weir opens none: one that is idle is the same error.
		return &http2.ConnError{Code: http2.ProtocolError, Why: "priority_update_of_no_request"}
	}
	if s := c.find(id); s != nil {
		s.priority, s.hasPriority = http2.ParsePriority(p[4:]), true
	}
	return c.spend(http2.GlitchPriority)
}

func (c *Conn) rst(h http2.Header, code http2.Code) *http2.ConnError {
	s := c.find(h.Stream)
	if s == nil {
		if c.isIdle(h.Stream) {
			return &http2.ConnError{Code: http2.ProtocolError, Why: "rst_stream_when_idle"}
		}
		return c.spend(http2.GlitchTiny)
	}
	answered := s.isAnswered()
	s.state.On(http2.RecvReset)
	s.loseBy(code)
	c.forget(s)
	if answered {
		return nil
	}
	return c.spend(http2.GlitchReset)
}

// isAnswered reports whether all of the response has been sent, or has come, while the request goes on. Who resets such a stream only ends a request of which nobody needs more: clients do
// so with uploads that are answered early, and servers that answer early.
func (s *Stream) isAnswered() bool {
	if s.conn.toServer {
		return s.state == http2.StateHalfClosedRemote
	}
	return s.state == http2.StateHalfClosedLocal
}

func (c *Conn) goaway(last uint32, code http2.Code) *http2.ConnError {
	c.leaving = true
	if c.toServer {
		// Section 6.8: "Activity on streams numbered lower than or equal to the last stream identifier might still complete successfully"; those above
		// it were not and will not be processed, and may be sent anew.
		for i := len(c.streams) - 1; i >= 0; i-- {
			if s := c.streams[i]; s.id > last {
				s.state = http2.StateClosed
				s.lose(http2.ErrRefused)
				c.forget(s)
			}
		}
	}
	if code != http2.NoError {
		c.Why = "goaway_" + code.String()
	}
	c.closeIfDone()
	return nil
}

// tinyUpdate is a window update of so little that it is hardly worth its frame.
const tinyUpdate = 128

func (c *Conn) windowUpdate(h http2.Header, n int) *http2.ConnError {
	if h.Stream == 0 {
		switch {
		case n == 0:
			return &http2.ConnError{Code: http2.ProtocolError, Why: "window_update_zero"}
		case !c.sendWindow.Add(n):
			return &http2.ConnError{Code: http2.FlowControlError, Why: "window_too_large"}
		}
	} else {
		s := c.find(h.Stream)
		switch {
		case s == nil && c.isIdle(h.Stream):
			return &http2.ConnError{Code: http2.ProtocolError, Why: "window_update_when_idle"}
		case s == nil:
			// RFC 9113 section 6.9: "a receiver could receive a WINDOW_UPDATE frame on a stream in a "half-closed (remote)" or "closed" state. A receiver MUST NOT treat this as an error". A client
			// that was sent all it had room for gives back what it reads when the stream has long been closed.
			if n < tinyUpdate {
				return c.spend(http2.GlitchWindow)
			}
			return nil
		case n == 0:
			return c.resetCaused(s, http2.ProtocolError)
		case !s.send.Add(n):
			return c.resetCaused(s, http2.FlowControlError)
		}
	}
	if len(c.waiting) > 0 {
		c.flushLater()
	}
	if n < tinyUpdate {
		return c.spend(http2.GlitchWindow)
	}
	return nil
}

func (c *Conn) headers(h http2.Header, p []byte) *http2.ConnError {
	if h.Stream%2 == 0 {
		// Section 5.1.1: "Streams initiated by a client MUST use odd-numbered stream identifiers".
		return &http2.ConnError{Code: http2.ProtocolError, Why: "even_stream_id"}
	}
	if http2.DependsOnItself(h, p) {
		h.Type = dependsOnItself
	}
	hh := h
	hh.Type = http2.FrameHeaders
	block, err := http2.Unpad(hh, p)
	if err != nil {
		return err
	}
	if h.Flags&http2.FlagEndHeaders != 0 {
		return c.head(h, block)
	}
	c.blockHeader, c.blockFrames = h, 1
	c.block = append(c.block[:0], block...)
	return nil
}

// dependsOnItself marks a HEADERS frame whose priority fields name its own stream, until its head is decoded.
const dependsOnItself = http2.FrameType(0xff)

// continuation: section 6.10.
func (c *Conn) continuation(h http2.Header, p []byte) *http2.ConnError {
	if c.blockFrames == 0 {
		// "A CONTINUATION frame MUST be preceded by a HEADERS, PUSH_PROMISE or CONTINUATION frame without the END_HEADERS flag set."
		return &http2.ConnError{Code: http2.ProtocolError, Why: "continuation_without_head"}
	}
	c.blockFrames++
	if len(c.block)+len(p) > c.blockMost() {
		return &http2.ConnError{Code: http2.EnhanceYourCalm, Why: "head_too_long"}
	}
	c.block = append(c.block, p...)
	if h.Flags&http2.FlagEndHeaders == 0 || len(p) == 0 {
		if err := c.spend(http2.GlitchContinuation); err != nil {
			return err
		}
	}
	if h.Flags&http2.FlagEndHeaders == 0 {
		return nil
	}
	block := c.block
	c.blockFrames = 0
	if cap(c.block) > blockKept {
		c.block = nil
	}
	return c.head(c.blockHeader, block)
}

// blockKept is how large a buffer for heads a connection keeps.
const blockKept = 16 << 10

// blockMost bounds the bytes of a head as it is sent. A head at the limit of its fields is never longer than they.
func (c *Conn) blockMost() int { return c.config.Limits.HeadMost() + http2.DefaultMaxFrame }

// decode feeds the layout. Section 4.3: "A decoding error in a field block MUST be treated as a connection error (Section 5.4.1) of type COMPRESSION_ERROR."
func (c *Conn) decode(block []byte) *http2.ConnError {
	c.decoder.SetEmitEnabled(true)
	_, err := c.decoder.Write(block)
	if err == nil {
		err = c.decoder.Close()
	}
	if err != nil {
		return &http2.ConnError{Code: http2.CompressionError, Why: "bad_field_block"}
	}
	if !c.budget.SpendExpansion(c.layout.Decoded(), len(block), c.loop.Now()) {
		return c.calm(http2.GlitchExpansion)
	}
	return nil
}

// head takes a complete head, or trailer section.
func (c *Conn) head(h http2.Header, block []byte) *http2.ConnError {
	err := c.takeHead(h, block)
	c.layout.Trim()
	return err
}

func (c *Conn) takeHead(h http2.Header, block []byte) *http2.ConnError {
	s := c.find(h.Stream)
	switch {
	case s != nil && c.toServer:
		return c.responseHead(s, h, block)
	case s != nil:
		return c.trailers(s, h, block)
	case c.toServer || h.Stream <= c.last:
		if c.toServer && h.Stream > c.last {
			return &http2.ConnError{Code: http2.ProtocolError, Why: "headers_when_idle"}
		}
		c.layout.StartTrailers(c.config.Limits, c.toServer)
		if err := c.decode(block); err != nil {
			return err
		}
		h.Type = http2.FrameHeaders
		return c.late(h)
	}
	return c.requestHead(h, block)
}

// requestHead opens a stream.
func (c *Conn) requestHead(h http2.Header, block []byte) *http2.ConnError {
	c.layout.StartRequest(c.config.Limits)
	if err := c.decode(block); err != nil {
		return err
	}
	if c.leaving {
		return c.spend(http2.GlitchReset) // GOAWAY has told the client that nothing becomes of it
	}
	c.last = h.Stream
	if c.running >= int(c.ours.MaxStreams) {
		// Section 5.1.2: "An endpoint that receives a HEADERS frame that causes its advertised concurrent stream limit to be exceeded MUST treat this as a
		// stream error (Section 5.4.2) of type PROTOCOL_ERROR or REFUSED_STREAM." Streams that the client has reset count until their exchange has ended.
		return c.refuse(h.Stream, http2.RefusedStream)
	}
	if !c.mayHold(len(c.layout.Buf)) {
		// Section 8.7: REFUSED_STREAM "indicate[s] that the stream is being closed prior to any processing having occurred": the client may ask again.
		c.noteRefused(h.Stream)
		c.room(13)
		c.out = http2.AppendRST(c.out, h.Stream, http2.RefusedStream)
		c.flushLater()
		return c.spend(http2.GlitchUnknown)
	}
	s := c.newStream(h.Stream)
	ends := h.Flags&http2.FlagEndStream != 0
	fault, malformed := c.layout.Request(&s.request, ends)
	if malformed != "" || h.Type == dependsOnItself {
		s.free()
		return c.refuse(h.Stream, http2.ProtocolError)
	}
	s.state.On(http2.RecvHeaders)
	s.takeRequest(fault, ends)
	if s.length > 0 && ends {
		s.free()
		return c.refuse(h.Stream, http2.ProtocolError)
	}
	c.add(s)
	if ends {
		s.endReceive()
	} else {
		s.openWide()
	}
	c.owner.Open(s)
	if c.layout.IsTooLarge() {
		return c.spend(http2.GlitchTooLarge)
	}
	return nil
}

// refuse resets a stream that was not opened.
func (c *Conn) refuse(id uint32, code http2.Code) *http2.ConnError {
	c.noteRefused(id)
	c.room(13)
	c.out = http2.AppendRST(c.out, id, code)
	c.flushLater()
	return c.spend(http2.GlitchResetCaused)
}

// trailers takes what follows the content. Section 8.1: "An endpoint that receives a HEADERS frame without the END_STREAM flag set after receiving the HEADERS
// frame that opens a request or after receiving a final (non-informational) status code MUST treat the corresponding request or response as malformed".
func (c *Conn) trailers(s *Stream, h http2.Header, block []byte) *http2.ConnError {
	c.layout.StartTrailers(c.config.Limits, c.toServer)
	if err := c.decode(block); err != nil {
		return err
	}
	if refusal := s.state.On(http2.RecvHeaders); refusal != nil {
		if refusal.Conn {
			return &http2.ConnError{Code: refusal.Code, Why: refusal.Why}
		}
		return c.resetCaused(s, refusal.Code)
	}
	if s.tunnel {
		// Section 8.5: "Frame types other than DATA or stream management frames (RST_STREAM, WINDOW_UPDATE, and PRIORITY) MUST NOT be sent on a connected stream and
		// MUST be treated as a stream error (Section 5.4.2) if received."
		return c.resetCaused(s, http2.ProtocolError)
	}
	if h.Flags&http2.FlagEndStream == 0 || h.Type == dependsOnItself || c.layout.Trailers() != "" || s.length >= 0 && s.got < s.length {
		return c.resetCaused(s, http2.ProtocolError)
	}
	s.trailers = append(s.trailers[:0], c.layout.Buf...)
	s.endReceive()
	return nil
}

// responseHead takes a head from a server: an interim one, the final one, or trailers.
func (c *Conn) responseHead(s *Stream, h http2.Header, block []byte) *http2.ConnError {
	if s.hasHead {
		return c.trailers(s, h, block)
	}
	c.layout.StartResponse(c.config.Limits)
	if err := c.decode(block); err != nil {
		return err
	}
	if refusal := s.state.On(http2.RecvHeaders); refusal != nil {
		return c.resetCaused(s, refusal.Code)
	}
	ends := h.Flags&http2.FlagEndStream != 0
	if malformed := s.takeResponse(ends); malformed != "" {
		s.lose(&http1.Fault{Status: 502, Reason: malformed})
		s.reset(http2.ProtocolError)
		return c.spend(http2.GlitchResetCaused)
	}
	if ends {
		s.endReceive()
	}
	return nil
}
