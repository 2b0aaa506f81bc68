package engine

import "time"

// AwaitSent parks until the peer's system has acknowledged everything that was written to a bare connection, at most for d. A reset discards what is still in the send buffer.
func AwaitSent(c Conn, d time.Duration) {
	bare, ok := c.(interface{ unacknowledged() int })
	if !ok {
		return
	}
	l := c.Loop()
	for by, pause := l.Now()+int64(d/time.Millisecond), time.Millisecond; bare.unacknowledged() > 0 && l.Now() < by; pause = min(2*pause, 50*time.Millisecond) {
		l.Sleep(pause)
	}
}
