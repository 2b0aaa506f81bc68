package stream

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/weir-proxy/weir/engine"
)

// reading is an owner whose streams are read for as long as they last.
type reading struct {
	owner
	got map[uint32]string
	end map[uint32]error
}

func (r *reading) Open(s *Stream) {
	s.SetReadTimeout(100 * time.Hour)
	s.conn.loop.Go(&reader{r, s})
}

type reader struct {
	of *reading
	s  *Stream
}

func (r *reader) Run() {
	b := make([]byte, 1<<10)
	for {
		n, err := r.s.Read(b)
		seen.Lock()
		r.of.got[r.s.id] += string(b[:n])
		if err != nil {
			r.of.end[r.s.id] = err
		}
		seen.Unlock()
		if err != nil {
			return
		}
	}
}

// acceptingFor is accepting for another owner.
type acceptingFor struct {
	owner Owner
	conn  *Conn
}

func (a *acceptingFor) Serve(c engine.Conn) {
	a.conn = Accept(c, testConfig, a.owner, nil)
	a.conn.Serve(c)
}

func meetFor(t *testing.T, o Owner) (*peer, *acceptingFor) {
	p, a := &peer{}, &acceptingFor{owner: o}
	met(t, p, a)
	return p, a
}

func (p *peer) post(id uint32) {
	e := hpackBlock{}
	p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true,
		BlockFragment: e.encode(":method", "POST", ":scheme", "http", ":authority", "a", ":path", "/")})
	pass(0)
}

// A DATA frame may come as slowly as its stream allows: it holds up nobody else, it is passed on as it comes, and it is no head.
func TestASlowDataFrameIsItsStreamsBusiness(t *testing.T) {
	for name, cuts := range map[string][]string{
		"in the header":       {"\x00", "\x00\x08\x00\x00\x00\x00\x00\x01con", "tents"[:4], "s"},
		"behind the type":     {"\x00\x00\x08\x00", "\x00\x00\x00\x00\x01content", "s"},
		"before the content":  {"\x00\x00\x08\x00\x00\x00\x00\x00\x01", "contents"},
		"in the content":      {"\x00\x00\x08\x00\x00\x00\x00\x00\x01c", "o", "ntents"},
		"before the padding":  {"\x00\x00\x0c\x00\x08\x00\x00\x00\x01", "\x03contents", "\x00\x00", "\x00"},
		"in padding and all":  {"\x00\x00\x0c\x00\x08\x00\x00\x00\x01\x03", "cont", "ents\x00", "\x00\x00"},
		"nothing but padding": {"\x00\x00\x04\x00\x08\x00\x00\x00\x01\x03", "\x00", "\x00\x00\x00\x00\x08\x00\x00\x00\x00\x00\x01conte", "nts"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &reading{got: map[uint32]string{}, end: map[uint32]error{}}
				p, a := meetFor(t, r)
				p.begin()
				p.post(1)
				for _, cut := range cuts {
					p.conn.Write([]byte(cut))
					pass(3 * time.Hour)
				}
				if a.conn.ended || len(p.codes) > 0 {
					t.Fatalf("the connection has ended: %v", p.codes)
				}
				if r.got[1] != "contents" || r.end[1] != nil {
					t.Errorf("the stream has %q, %v", r.got[1], r.end[1])
				}
				p.post(3)
				p.WriteData(3, true, []byte("more"))
				pass(0)
				if r.got[3] != "more" {
					t.Errorf("the next stream has %q", r.got[3])
				}
			})
		})
	}
}

// What has come of a frame is passed on before the rest of it.
func TestTheBeginningOfADataFrameIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reading{got: map[uint32]string{}, end: map[uint32]error{}}
		p, a := meetFor(t, r)
		p.begin()
		p.post(1)
		p.conn.Write([]byte("\x00\x00\x08\x00\x01\x00\x00\x00\x01begin"))
		pass(0)
		if r.got[1] != "begin" || a.conn.in != nil {
			t.Errorf("the stream has %q, the connection holds %d bytes", r.got[1], len(a.conn.in))
		}
		p.conn.Write([]byte("end"))
		pass(0)
		if r.got[1] != "beginend" || r.end[1] == nil {
			t.Errorf("the stream has %q and ends by %v", r.got[1], r.end[1])
		}
	})
}

// A stream may end in the middle of one of its frames, by either side. The rest of the frame is skipped.
func TestAStreamEndsWithinADataFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &owner{}
		p, a := meetFor(t, o)
		p.begin()
		p.post(1)
		p.conn.Write([]byte("\x00\x00\x08\x00\x00\x00\x00\x00\x01begin"))
		pass(0)
		a.conn.loop.Call(func() { o.opened[0].Done(0) })
		pass(0)
		p.conn.Write([]byte("end"))
		p.post(3)
		if len(o.opened) != 2 || a.conn.ended || a.conn.held != 0 {
			t.Errorf("%d streams were opened, ended %v, %d bytes held", len(o.opened), a.conn.ended, a.conn.held)
		}
	})
}

// The end of a connection is the end of no content that was open on it, whichever way it ended: what was cut must not be taken for whole.
func TestTheEndOfAConnectionIsNotTheEndOfContent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reading{got: map[uint32]string{}, end: map[uint32]error{}}
		p, _ := meetFor(t, r)
		p.begin()
		p.post(1)
		p.WriteData(1, false, []byte("half"))
		p.post(3)
		p.WriteData(3, true, []byte("whole"))
		pass(0)
		p.conn.Close()
		pass(0)
		if r.got[1] != "half" || r.end[1] == io.EOF || !errors.Is(r.end[1], io.ErrUnexpectedEOF) {
			t.Errorf("what was cut: %q, %v", r.got[1], r.end[1])
		}
		if r.got[3] != "whole" || r.end[3] != io.EOF {
			t.Errorf("what was whole: %q, %v", r.got[3], r.end[3])
		}
	})
}

// A client gives back what it reads of a response that has ended long ago; for crumbs of it, it is charged.
func TestWindowUpdatesOfStreamsThatAreClosed(t *testing.T) {
	for _, c := range []struct {
		n    uint32
		ends bool
	}{{4096, false}, {tinyUpdate, false}, {tinyUpdate - 1, true}, {1, true}} {
		synctest.Test(t, func(t *testing.T) {
			p, a := meet(t)
			p.begin()
			p.post(1)
			p.WriteRSTStream(1, http2.ErrCodeCancel)
			pass(0)
			for range 5000 {
				if p.WriteWindowUpdate(1, c.n) != nil {
					break
				}
			}
			pass(5 * time.Second)
			if a.owner.ended != c.ends {
				t.Errorf("updates of %d: ended %v", c.n, a.owner.ended)
			}
		})
	}
}
