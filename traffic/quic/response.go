package quic

import (
	"io"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/http3"
	"github.com/weir-proxy/weir/wire/message"
)

// This file is a stream to a server: the request's head, and the goroutine that reads the heads of the answer, hands them to the loop, and brings the content after them.

// answer is a head that a server has sent: an interim one, or the final one.
type answer struct {
	head     []byte
	response message.Response
}

// interimsWaiting bounds the interim responses that wait for an exchange whose client does not take them. Further ones are dropped: they only announce what is to come.
const interimsWaiting = 16

// WriteRequest sends the head of a request in the form of HTTP/1.1, Host first, up to the empty line or the end. It does not wait, and borrows head.
func (s *Stream) WriteRequest(head []byte, method message.Method, t http2.Target, _ bool) (int, error) {
	if err := s.dead(); err != nil {
		return 0, err
	}
	s.section(func(b []byte) []byte { return http3.AppendRequest(b, head, t) })
	s.flushLater()
	go s.conn.loop.Guard(func() { s.answered(method, t.Protocol != "") }, func() {
		s.conn.failed()
		s.conn.loop.Post(func() { s.lose(engine.ErrClosed) })
	})
	return len(head), nil
}

// ReadHead waits for the server's next head, interim or final, and fills r, whose spans point into in. Content of a final answer that has come along is behind the head. n is how much
// was received.
func (s *Stream) ReadHead(r *message.Response, in *message.Piece) (n int, err error) {
	for len(s.answers) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		if err := s.WaitArrival(); err != nil {
			return 0, err
		}
	}
	a := s.answers[0]
	s.answers = append(s.answers[:0], s.answers[1:]...)
	list := append(r.List[:0], a.response.List...)
	*r = a.response
	r.List = list
	in.Buf = s.conn.loop.Room(in.Buf, message.Room+len(a.head)+message.Room)
	in.Put(a.head)
	r.Buf = in.Bytes()
	if r.Status >= 200 {
		in.AddArrived(s.Arrived)
	}
	return in.End - in.From, nil
}

// answered reads the answer to a request.
func (s *Stream) answered(method message.Method, isConnect bool) {
	b := &content{s: s, r: &reader{from: s.raw, isClosed: &s.conn.isClosed}, length: -1}
	var interims http1.Interims
	began := time.Now()
	for {
		a := b.nextHead(method)
		switch {
		case a == nil:
			return
		case a.response.Status >= 200:
			b.isTunnel = isConnect && a.response.Status/100 == 2
			b.final(a, method)
			return
		case !interims.Take(len(a.head), 1+time.Since(began).Milliseconds()), b.r.isAtEnd():
			b.malformed("bad_interim_response")
			return
		}
		s.conn.loop.Post(func() {
			if len(s.answers) < interimsWaiting {
				s.answers = append(s.answers, *a)
				s.Arrive()
			}
		})
	}
}

// nextHead reads the next head; nil if there is none, of which the loop has been told.
func (b *content) nextHead(method message.Method) *answer {
	c := b.s.conn
	block, code := c.readHead(b.r)
	switch code {
	case 0:
	case http3.RequestIncomplete:
		b.lost()
		return nil
	case http3.FrameUnexpected:
		b.breaks(code, "frame_unexpected")
		return nil
	case http3.FrameError:
		b.breaks(code, frameCut)
		return nil
	default:
		b.malformed(http1.FaultHeadSize.Reason)
		return nil
	}
	layout := &http2.Layout{}
	layout.StartResponse(c.config.Limits)
	if http3.Decode(block, layout) != nil {
		b.breaks(http3.DecompressionFailed, "bad_field_section")
		return nil
	}
	if !c.spendExpansion(layout, len(block)) {
		b.lost()
		return nil
	}
	a := &answer{}
	if why := layout.Response(&a.response, method); why != "" {
		b.malformed(why)
		return nil
	}
	a.head = layout.Buf
	return a
}

// final hands the final head to the loop with what has come of the content, and brings the rest.
func (b *content) final(a *answer, method message.Method) {
	s, r := b.s, &a.response
	if method == message.MethodHEAD || r.Status == 204 || r.Status == 304 {
		b.r.lookForEnd(s.raw)
		s.raw.SetReadDeadline(time.Now().Add(contentMost))
	}
	if r.Lookup("grpc-status") != nil && b.r.at == b.r.end {
		// gRPC's Trailers-Only: nothing but the end of the stream may follow, and to a client of HTTP/2 it has to go along with the head. Over QUIC it may be in a packet of its own.
		b.r.fill()
	}
	ended := b.r.isAtEnd() && b.r.err == io.EOF
	var why string
	if b.length, why = http2.FrameResponse(r, method, ended); why != "" {
		b.malformed(why)
		return
	}
	var piece []byte
	if !ended {
		b.open()
		piece, ended = b.first()
	}
	s.conn.loop.Post(func() { s.begin(a, b, piece, ended) })
	if !ended && (piece == nil || b.wasRead()) {
		b.bring()
	}
}

// begin takes the final head. On the loop.
func (s *Stream) begin(a *answer, b *content, piece []byte, ended bool) {
	s.answers = append(s.answers, *a)
	s.piece, s.ended, s.credit, s.gone = piece, ended, b.credit, b.gone
	if s.wasDone {
		s.dismiss()
	}
	s.Arrive()
}
