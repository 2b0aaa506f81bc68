package message

// Room is what is left free before a head that is read into a buffer, so that the head that takes its place may be longer and the content need not move.
const Room = 1024

// FrameRoom is the room that a piece of content needs on each side to be framed where it is.
const FrameRoom = 32

// Piece is a part of a message in a buffer: a head with the content that came along with it, or content alone.
//
//	Buf  | room | head | content | room |
//	            From           End
//
// Content is without framing. Whoever sends a piece may write into the room around it.
type Piece struct {
	Buf   []byte
	From  int    // where the head begins; where there is none, the content
	Head  int    // length of the head
	End   int    // where the content ends
	More  []byte // content that follows in a buffer of its own
	Ended bool   // the message ends with the content, or with the trailers behind it
}

// Content is the piece's content.
func (p *Piece) Content() []byte { return p.Buf[p.From+p.Head : p.End] }

// Bytes is head and content.
func (p *Piece) Bytes() []byte { return p.Buf[p.From:p.End] }

// Empty makes p an empty piece at the place where a head is read to.
func (p *Piece) Empty() { p.From, p.Head, p.End, p.Ended = Room, 0, Room, false }

// Put makes p the head alone, which it copies to the place where a head is read to. Buf has room for it.
func (p *Piece) Put(head []byte) {
	p.From, p.Head, p.Ended = Room, len(head), false
	p.End = Room + copy(p.Buf[Room:], head)
}

// AddArrived takes content that is here already, as far as there is room for it, and leaves what framing may need.
func (p *Piece) AddArrived(arrived func(b []byte) (n int, ended bool)) {
	n, ended := arrived(p.Buf[p.End : len(p.Buf)-FrameRoom])
	p.End += n
	p.Ended = ended
}

// Parts is what sends the parts of a message one by one.
type Parts interface {
	WriteHead(head []byte) error
	Write(p []byte) (int, error)
	WriteEnd(trailers []byte) error
}

// SendTo sends head, content and end one by one, as far as p has them, and reports the bytes of head and content.
func (p *Piece) SendTo(to Parts, trailers []byte) (int, error) {
	if p.Head > 0 {
		if err := to.WriteHead(p.Buf[p.From : p.From+p.Head]); err != nil {
			return 0, err
		}
	}
	sent := p.Head
	for _, b := range [...][]byte{p.Content(), p.More} {
		if len(b) == 0 {
			continue
		}
		n, err := to.Write(b)
		if sent += n; err != nil {
			return sent, err
		}
	}
	if p.Ended {
		return sent, to.WriteEnd(trailers)
	}
	return sent, nil
}
