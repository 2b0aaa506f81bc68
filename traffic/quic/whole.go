package quic

import "github.com/weir-proxy/weir/wire/message"

// This file is what a stream has in common with the messages of HTTP/1.1, beside heads, content and trailers.

// Send sends an answer's head, content, and the end of the message, as far as the piece has them. It reports the bytes of head and content.
func (s *Stream) Send(p message.Piece, trailers []byte) (int, error) { return p.SendTo(s, trailers) }

// Ended reports whether all of the content has been read.
func (s *Stream) Ended() bool { return s.ended && len(s.piece) == 0 }

// Around, TakesTrailers, Frame, Announced and Owed: frames are not counted, trailers have their place, frames end what has no length, say nothing of what follows them, and one stream owes another nothing.
func (s *Stream) Around() int                          { return 0 }
func (s *Stream) TakesTrailers() bool                  { return true }
func (s *Stream) Frame(bool) (line string, lasts bool) { return "", true }
func (s *Stream) Announced() int64                     { return 0 }
func (s *Stream) Owed() int64                          { return 0 }

// IsClean: what a stream leaves behind does not touch others.
func (s *Stream) IsClean() bool { return true }
