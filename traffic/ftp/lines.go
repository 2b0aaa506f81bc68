package ftp

import (
	"bytes"
	"errors"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/ftp"
)

var errLineTooLong = errors.New("a line is too long")

// lines reads lines from a connection. The buffer is the loop's while there is something in it.
type lines struct {
	conn     engine.Conn
	buf      []byte
	from, to int
	by       int64 // ms of the loop's clock: when a line must be there; 0: the connection's deadlines are enough
	read     int   // bytes of lines since it was set to 0
}

// next returns a line without its LF; it is valid until the next call.
func (r *lines) next() ([]byte, error) {
	for {
		if i := bytes.IndexByte(r.buf[r.from:r.to], '\n'); i >= 0 {
			line := r.buf[r.from : r.from+i]
			r.from += i + 1
			r.read += i + 1
			return line, nil
		}
		if r.from == r.to {
			r.release()
		}
		if r.buf == nil {
			r.buf = r.conn.Loop().Buffer(ftp.LineMax)
		}
		if r.from > 0 {
			r.to, r.from = copy(r.buf, r.buf[r.from:r.to]), 0
		}
		if r.to == len(r.buf) {
			return nil, errLineTooLong
		}
		if left := r.by - r.conn.Loop().Now(); r.by > 0 {
			if left <= 0 {
				return nil, engine.ErrTimeout
			}
			r.conn.SetReadTimeout(time.Duration(left) * time.Millisecond)
		}
		n, err := r.conn.Read(r.buf[r.to:])
		if err != nil {
			return nil, err
		}
		r.to += n
	}
}

// isEmpty reports whether nothing has been read beyond the last line.
func (r *lines) isEmpty() bool { return r.from == r.to }

func (r *lines) release() {
	if r.buf != nil {
		r.conn.Loop().Release(r.buf)
	}
	r.buf, r.from, r.to = nil, 0, 0
}
