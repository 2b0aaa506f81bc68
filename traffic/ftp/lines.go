package ftp

import (
	"bytes"
	"errors"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/ftp"
)

var errLineTooLong = errors.New("a line is too long")

// lines reads lines from a connection. The buffer is the loop's while there is something in it.
type lines struct {
	conn     engine.Conn
	buf      []byte
	from, to int
}

// next returns a line without its LF; it is valid until the next call.
func (r *lines) next() ([]byte, error) {
	for {
		if i := bytes.IndexByte(r.buf[r.from:r.to], '\n'); i >= 0 {
			line := r.buf[r.from : r.from+i]
			r.from += i + 1
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
