package engine

// Taken says that an accepted connection belongs to somebody who can say himself whether it is spare. Until then it is one whose client has not sent what comes first.
func Taken(c Conn) {
	if c, ok := c.(*epollConn); ok {
		c.isTaken = true
	}
}

func (c *epollConn) atClose(w Closer) { c.closer = w }

// beginnings lists the accepted connections that nobody has taken yet.
func (l *Loop) beginnings(list []Spare) []Spare {
	for _, c := range l.poller.conns {
		if c != nil && c.isAccepted && !c.isTaken {
			list = append(list, Spare{Rank: RankBeginning, Peer: c.remote.Addr(), Since: c.since, Owner: c})
		}
	}
	return list
}

// MakeRoom ends the connection; who waits on it is told ErrClosed.
func (c *epollConn) MakeRoom() bool {
	if c.closed || c.isTaken {
		return false
	}
	c.Reset()
	return true
}
