package quic

import (
	"os"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/message"
)

// This file is what a stream has in common with the messages of HTTP/1.1, beside heads, content and trailers.

// Send sends an answer's head, content, and the end of the message, as far as the piece has them. It reports the bytes of head and content.
func (s *Stream) Send(p message.Piece, trailers []byte) (int, error) {
	if p.Head > 0 {
		if err := s.WriteHead(p.Buf[p.From : p.From+p.Head]); err != nil {
			return 0, err
		}
	}
	sent := p.Head
	for _, b := range [...][]byte{p.Content(), p.More} {
		if len(b) == 0 {
			continue
		}
		n, err := s.Write(b)
		if sent += n; err != nil {
			return sent, err
		}
	}
	if p.Ended {
		return sent, s.WriteEnd(trailers)
	}
	return sent, nil
}

// SendFile sends content from a file.
func (s *Stream) SendFile(w *engine.Workers, f *os.File, offset, n int64) (int64, error) {
	return engine.SendFile(s, w, f, offset, n)
}

// Ended reports whether all of the content has been read.
func (s *Stream) Ended() bool { return s.ended && len(s.piece) == 0 }

// BareIn, BareOut and Skip: all content is in frames.
func (s *Stream) BareIn() (engine.Conn, int64) { return nil, 0 }
func (s *Stream) BareOut() engine.Conn         { return nil }
func (s *Stream) Skip(int64)                   {}

// TakesTrailers, Frame, Announced and Owed: trailers have their place, frames end what has no length, say nothing of what follows them, and one stream owes another nothing.
func (s *Stream) TakesTrailers() bool                  { return true }
func (s *Stream) Frame(bool) (line string, lasts bool) { return "", true }
func (s *Stream) Announced() int64                     { return 0 }
func (s *Stream) Owed() int64                          { return 0 }

// IsClean: what a stream leaves behind does not touch others.
func (s *Stream) IsClean() bool { return true }
