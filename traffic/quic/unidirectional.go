package quic

import (
	"errors"
	"io"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/http3"
)

// takeUnidirectional takes the streams on which the peer says what concerns the whole connection.
func (c *Conn) takeUnidirectional() {
	seen := make(map[uint64]bool)
	for {
		s, err := c.raw.AcceptUniStream(c.raw.Context())
		if err != nil {
			return
		}
		r := reader{from: s, isClosed: &c.isClosed}
		kind, ok := r.varint()
		if !ok {
			// RFC 9114 section 6.2: a stream may end, or be reset, before its type has come. It makes room for the next one.
			if !c.spend(http2.GlitchUnknown) {
				return
			}
			continue
		}
		switch kind {
		case http3.StreamControl, http3.StreamEncoder, http3.StreamDecoder:
			// Section 6.2.1: "Only one control stream per peer is permitted; receipt of a second stream claiming to be a control stream MUST be treated as a
			// connection error of type H3_STREAM_CREATION_ERROR." RFC 9204 section 4.2 says the same of its two.
			if seen[kind] {
				c.fail(http3.StreamCreationError, "stream_twice")
				return
			}
			seen[kind] = true
			c.read(func() { c.critical(kind, &r) })
		case http3.StreamPush:
			if c.toServer {
				// Section 4.6: "A client MUST treat receipt of a push stream as a connection error of type H3_ID_ERROR when no MAX_PUSH_ID frame has been sent".
				c.fail(http3.IDError, "push")
				return
			}
			// Section 6.2.2: "Only servers can push; if a server receives a client-initiated push stream, this MUST be treated as a connection error of type
			// H3_STREAM_CREATION_ERROR."
			c.fail(http3.StreamCreationError, "push")
			return
		default:
			s.CancelRead(quicgo.StreamErrorCode(http3.StreamCreationError)) // section 6.2.3: unknown ones are not of interest
			if !c.spend(http2.GlitchUnknown) {                              // and make room for the next one
				return
			}
		}
	}
}

// critical reads a stream that must not end: section 6.2.1: "If either control stream is closed at any point, this MUST be treated as a connection error of
// type H3_CLOSED_CRITICAL_STREAM."
func (c *Conn) critical(kind uint64, r *reader) {
	if kind == http3.StreamControl {
		if code, why := c.readControl(r); code != 0 {
			c.fail(code, why)
			return
		}
	} else if code, why := c.readQPACK(kind, r); code != 0 {
		c.fail(code, why)
		return
	}
	if isStreamsEnd(r.err) {
		c.fail(http3.ClosedCriticalStream, "")
	}
}

// isStreamsEnd reports whether err is the end of a stream alone, by the peer's doing. A connection that ends takes its streams along, and what has ended it is what is told.
func isStreamsEnd(err error) bool {
	var reset *quicgo.StreamError
	return err == nil || err == io.EOF || errors.As(err, &reset)
}

// qpackMost bounds what a peer may say on a stream of QPACK, on which there is hardly anything to say.
const qpackMost = 1 << 20

// readQPACK reads a stream of QPACK until its end, or says what is wrong with it. Without a dynamic table an encoder has one thing to say, once; a decoder may say of each stream that it
// was given up.
func (c *Conn) readQPACK(kind uint64, r *reader) (code http3.Code, why string) {
	var decoder http3.DecoderStream
	for range qpackMost {
		if r.at == r.end && !r.fill() {
			return 0, ""
		}
		b := r.buf[r.at]
		r.at++
		switch {
		case kind == http3.StreamEncoder && !http3.MayEncode(b):
			return http3.EncoderStreamError, "no_dynamic_table"
		case kind == http3.StreamEncoder && !c.spend(http2.GlitchSettings), kind == http3.StreamDecoder && !c.spend(http2.GlitchTiny):
			return 0, ""
		case kind == http3.StreamDecoder && !decoder.Take(b):
			return http3.DecoderStreamError, "no_dynamic_table"
		}
	}
	return http3.ExcessiveLoad, "qpack_stream"
}

// controlMost bounds a frame of the control stream.
const controlMost = 4 << 10

// readControl reads the peer's control stream until its end, or says what is wrong with it.
func (c *Conn) readControl(r *reader) (code http3.Code, why string) {
	for first := true; ; first = false {
		kind, length, ok := r.header()
		if !ok {
			return 0, ""
		}
		switch {
		case first && kind != http3.FrameSettings:
			return http3.MissingSettings, "settings_not_first"
		case !first && !http3.MayStandInControl(kind):
			return http3.FrameUnexpected, "frame_on_control_stream"
		case length > controlMost:
			return http3.ExcessiveLoad, "control_frame_too_large"
		}
		// The settings come once. All else is of no use to weir, and costs the peer something.
		if !first && !c.spend(http2.GlitchPriority) {
			return 0, ""
		}
		payload, ok := r.take(int(length))
		if !ok {
			return 0, ""
		}
		if first {
			settings, code := http3.ParseSettings(payload)
			if code != 0 {
				return code, "settings"
			}
			c.loop.Post(func() { c.learn(settings) })
			continue
		}
		if c.toServer {
			code, why = c.fromServer(kind, payload)
		} else {
			code, why = c.fromClient(kind, payload)
		}
		if code != 0 {
			return code, why
		}
	}
}

// fromClient takes a frame of a client's control stream, or says what is wrong with it. Of one goroutine. weir pushes nothing, so no push ID was ever promised.
func (c *Conn) fromClient(kind uint64, payload []byte) (code http3.Code, why string) {
	switch kind {
	case http3.FrameGoAway, http3.FrameMaxPushID, http3.FrameCancelPush, http3.FramePriorityUpdate, http3.FramePriorityUpdatePush:
	default:
		return 0, ""
	}
	id, n := http3.ParseVarint(payload)
	hasMore := kind == http3.FramePriorityUpdate || kind == http3.FramePriorityUpdatePush
	if n == 0 || n < len(payload) && !hasMore {
		// Section 7.1: "A frame payload that contains additional bytes after the identified fields or a frame payload that terminates before the end of the identified fields MUST be
		// treated as a connection error of type H3_FRAME_ERROR."
		return http3.FrameError, "control_frame"
	}
	switch {
	case kind == http3.FrameGoAway:
		// Section 5.2: "Receiving a GOAWAY containing a larger identifier than previously received MUST be treated as a connection error of type H3_ID_ERROR."
		if id > c.goneFrom {
			return http3.IDError, "goaway"
		}
		c.goneFrom = id
	case kind == http3.FrameMaxPushID:
		// Section 7.2.7: "receipt of a MAX_PUSH_ID frame that contains a smaller value than previously received MUST be treated as a connection error of type H3_ID_ERROR."
		if id < c.pushMost {
			return http3.IDError, "max_push_id"
		}
		c.pushMost = id
	case kind == http3.FrameCancelPush:
		// Section 7.2.3: "If a server receives a CANCEL_PUSH frame for a push ID that has not yet been mentioned by a PUSH_PROMISE frame, this MUST be treated as a connection error of type
		// H3_ID_ERROR."
		return http3.IDError, "cancel_push"
	case kind == http3.FramePriorityUpdate && id%4 != 0:
		// RFC 9218 section 7.2: "If a server receives a PRIORITY_UPDATE (type=0xF0700) for a stream ID that is not a request stream, this MUST be treated as a connection error of type
		// H3_ID_ERROR."
		return http3.IDError, "priority_update"
	case kind == http3.FramePriorityUpdatePush:
		// RFC 9218 section 7.2: "If a server receives a PRIORITY_UPDATE (type=0xF0701) with a push ID that is greater than the maximum push ID or that has not yet been promised, this MUST
		// be treated as a connection error of type H3_ID_ERROR."
		return http3.IDError, "priority_update"
	}
	return 0, ""
}

// fromServer takes a frame of a server's control stream, or says what is wrong with it. Of one goroutine.
func (c *Conn) fromServer(kind uint64, payload []byte) (code http3.Code, why string) {
	switch kind {
	case http3.FramePriorityUpdate, http3.FramePriorityUpdatePush:
		// RFC 9218 section 7.2: "If a client receives a PRIORITY_UPDATE frame, this MUST be treated as a connection error of type H3_FRAME_UNEXPECTED."
		return http3.FrameUnexpected, "priority_update"
	case http3.FrameMaxPushID:
		// Section 7.2.7: "A server MUST NOT send a MAX_PUSH_ID frame."
		return http3.FrameUnexpected, "max_push_id"
	case http3.FrameCancelPush:
		return http3.IDError, "cancel_push" // of a push that nobody has allowed
	case http3.FrameGoAway:
		id, n := http3.ParseVarint(payload)
		switch {
		case n == 0 || n != len(payload):
			return http3.FrameError, "goaway"
		case id%4 != 0 || id > c.goneFrom:
			// Section 5.2: "An endpoint MAY send multiple GOAWAY frames indicating different identifiers, but the identifier in each frame MUST NOT be greater
			// than the identifier in any previous frame"; section 7.2.6: one of another kind of stream is likewise "a connection error of type H3_ID_ERROR."
			return http3.IDError, "goaway"
		}
		if id < c.goneFrom { // a repeated one says nothing new
			c.loop.Post(func() { c.goaway(id) })
		}
		c.goneFrom = id
	}
	return 0, ""
}
