package engine

import (
	"io"
	"os"
)

// SendFile sends n bytes of a file from offset on, without bringing them to user space where that can be, and reports how many; it parks like
// Write. While the peer takes bytes the write deadline moves on. The disk is waited for on one of the workers w: ErrBusy and ErrStuck say that it does not answer. The file's content must not change any more.
func SendFile(c Conn, w *Workers, f *os.File, offset, n int64) (int64, error) {
	if sent, err, done := sendFile(c, w, f, offset, n); done {
		return sent, err
	}
	return CopyFile(c, w, f, offset, n)
}

// filePiece is what is read of a file at a time to be copied, and what is sent before others get their turn.
const filePiece = 256 << 10

// CopyFile is SendFile by way of a buffer: for connections with TLS, the portable engine, and files whose content changes afterwards. What SendFile has sent may be pages of the file itself until
// the peer, which may be on this machine, has read them.
func CopyFile(c Conn, w *Workers, f io.ReaderAt, offset, n int64) (sent int64, err error) {
	l := c.Loop()
	buf := l.Buffer(int(min(n, filePiece)))
	defer func() { l.Release(buf) }()
	for n > 0 {
		var k int
		var readErr error
		into, at := buf[:min(n, int64(len(buf)))], offset
		if err := l.Block(w, nil, func() { k, readErr = f.ReadAt(into, at) }, func() { l.Release(into) }); err != nil {
			if err == ErrStuck {
				buf = nil // it may still be read into
			}
			return sent, err
		}
		if k == 0 {
			return sent, readErr
		}
		m, err := c.Write(buf[:k])
		sent += int64(m)
		if err != nil {
			return sent, err
		}
		offset += int64(k)
		n -= int64(k)
	}
	return sent, nil
}
