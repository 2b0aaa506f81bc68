package pen

import (
	"io"
	"time"
)

// Messages makes a writer of messages, one a call, which waits until each is written while the destination takes them, and never for one that does not. close writes what waits.
func Messages(to io.Writer) (w io.Writer, close func()) {
	p := New(func(lines []byte) { to.Write(lines) }, func() {})
	return messages{p}, func() { p.Close(messageMost) }
}

type messages struct{ pen *Pen }

// messageMost is how long a message may be waited for. Those that come while the destination is stuck are not waited for at all.
const messageMost = 100 * time.Millisecond

// Write reports no error: nobody who has a message could do anything about it.
func (m messages) Write(b []byte) (int, error) {
	isStuck := m.pen.isBusy()
	m.pen.Put(b)
	if !isStuck {
		m.pen.Flush(messageMost)
	}
	return len(b), nil
}

// isBusy reports whether a write has run for longer than a message is waited for.
func (p *Pen) isBusy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.since.IsZero() && time.Since(p.since) >= messageMost
}
