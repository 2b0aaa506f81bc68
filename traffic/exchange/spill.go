package exchange

import (
	"errors"
	"os"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/message"
)

// spill takes an answer's body from the server into a file, on a coroutine of its own, while the client gets it from there as fast as it wants to.
// The file is a ring: it is never larger than what the client may lag behind.
type spill struct {
	x       *Exchange
	file    *os.File
	most    int64
	written int64 // bytes that were put into the file
	sent    int64 // of them, those that the client has
	buf     []byte
	last    message.Piece // a piece that the file did not take; into buf
	full    bool          // there is such a piece
	err     error         // why the server's side ended early
	running bool
	stopped bool
	more    engine.Signal
	room    engine.Signal
}

var errPanicked = errors.New("panicked")

// Run fills the file until the body ends, or a side fails.
func (s *spill) Run() {
	x, l := s.x, s.x.at.loop
	for !x.response.body.ended && !s.full {
		if s.written-s.sent+int64(len(s.buf)) > s.most && !s.stopped {
			l.Wait(&s.room, engine.DefaultTimeout) // the client's own deadline bounds it
			continue
		}
		if s.stopped {
			break
		}
		p, err := x.piece(s.buf)
		if s.err = err; err != nil {
			break
		}
		if b := p.Content(); len(b) > 0 && !s.put(b) {
			s.last, s.full = p, true
		}
		l.Fire(&s.more)
	}
	s.running = false
	if x.response.body.ended && s.err == nil {
		x.freeServer()
	}
	l.Fire(&s.more)
}

// Panicked ends a spill that panicked.
func (s *spill) Panicked() {
	s.running, s.err = false, errPanicked
	s.x.at.loop.Fire(&s.more)
}

// put writes a piece behind what is there; false when the disk does not take it.
func (s *spill) put(b []byte) bool {
	at := s.written % s.most
	first := b[:min(int64(len(b)), s.most-at)]
	var written error
	err := s.x.at.loop.Block(s.x.spillDisk(), nil, func() {
		if _, written = s.file.WriteAt(first, at); written == nil && len(first) < len(b) {
			_, written = s.file.WriteAt(b[len(first):], 0)
		}
	}, nil)
	if err == nil {
		err = written
	}
	if err != nil {
		s.x.at.Stats.SpillsFailed++
		return false
	}
	s.written += int64(len(b))
	return true
}

// stop ends the filling, as when the client is gone.
func (s *spill) stop() {
	s.stopped = true
	for s.running {
		s.x.attempt.conn.Interrupt()
		s.x.at.loop.Fire(&s.room)
		s.x.at.loop.Wait(&s.more, engine.DefaultTimeout)
	}
}

// spillFile opens a file that has no name; nil when that cannot be.
func (x *Exchange) spillFile() (f *os.File) {
	dir := x.request.route.Buffer.Dir
	var made *os.File
	if x.at.loop.Block(x.spillDisk(), nil, func() {
		file, err := os.CreateTemp(dir, "spill-*")
		if os.IsNotExist(err) && os.MkdirAll(dir, 0o700) == nil {
			file, err = os.CreateTemp(dir, "spill-*")
		}
		if err != nil {
			return
		}
		if os.Remove(file.Name()) != nil {
			file.Close()
			return
		}
		made = file
	}, func() {
		if made != nil {
			made.Close()
		}
	}) == nil {
		f = made
	}
	if f == nil {
		x.at.Stats.SpillsFailed++
	} else {
		x.at.Stats.Spills++
		x.at.loop.HoldDescriptors(1)
	}
	return f
}

// closeFile gives a file's room back, which may take the disk a while.
func (x *Exchange) closeFile(f *os.File) {
	x.at.loop.Later(x.spillDisk(), func() { f.Close() })
	x.at.loop.HoldDescriptors(-1)
}

// deliverSpilled delivers the answer, of which the beginning is held, by way of a file, which it closes.
func (x *Exchange) deliverSpilled(file *os.File, h *held) Stage {
	defer x.closeFile(file)
	s := &spill{x: x, file: file, most: x.request.route.Buffer.Spill, buf: x.at.loop.Buffer(engine.Buffer64K), running: true}
	defer x.at.loop.Release(s.buf)
	x.at.loop.Go(s)
	if !x.toClientHeld(h, false) {
		s.stop()
		return x.clientFailed()
	}
	for s.sent < s.written || s.running {
		if s.sent == s.written {
			x.at.loop.Wait(&s.more, engine.DefaultTimeout) // the server's own deadline bounds it
			continue
		}
		if err := s.send(); err != nil {
			s.stop()
			return x.spliceFailed(&engine.SpliceWriteError{Err: err})
		}
	}
	switch {
	case s.err != nil:
		return x.bodyFailed(s.err)
	case s.full && !x.sendPiece(s.last):
		return x.clientFailed()
	case s.full && x.response.body.ended:
		return x.delivered()
	case x.response.body.ended:
		return x.endToClient()
	}
	return x.deliverCopy()
}

// send gives the client a part of what is in the file.
func (s *spill) send() error {
	x := s.x
	at := s.sent % s.most
	x.client.stream.SetWriteTimeout(x.setup.Send)
	send := x.client.stream.SendFile
	if s.isRing() {
		send = s.copy
	}
	n, err := send(x.spillDisk(), s.file, at, min(s.written-s.sent, s.most-at, splicePiece))
	x.sent += n
	s.sent += n
	x.at.loop.Fire(&s.room)
	return err
}

// isRing reports whether a part of the file may be written again once it is sent.
func (s *spill) isRing() bool {
	r := &s.x.response.head
	return r.Framing != message.FramingLength || r.Length > s.most
}

func (s *spill) copy(w *engine.Workers, f *os.File, offset, n int64) (int64, error) {
	return engine.CopyFile(s.x.client.stream, w, f, offset, n)
}
