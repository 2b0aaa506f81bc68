package accesslog

import (
	"fmt"
	"time"
)

// noticeEvery is how often at most it is said that something fails, and how often that it does not any more: on a disk that is nearly full both come many times a second.
const noticeEvery = 10 * time.Second

// notice decides what is said of something that fails and is well again, in turn. One goroutine has it.
type notice struct {
	fails   bool         // the last time
	isSaid  bool         // that it fails, and nothing else since
	changes int          // that were not said
	at      [2]time.Time // when it was last said that it is well, and that it fails
}

// due notes whether it fails and reports whether that is to be said now. also is what to add to the message: how many changes there were that were not said.
func (n *notice) due(fails bool) (also string, isDue bool) {
	if fails != n.fails {
		n.fails = fails
		n.changes++
	}
	if fails == n.isSaid {
		return "", false
	}
	at, now := &n.at[0], time.Now()
	if fails {
		at = &n.at[1]
	}
	if now.Sub(*at) < noticeEvery {
		return "", false
	}
	if n.changes > 1 {
		also = fmt.Sprintf("; it has changed %d times since the last message", n.changes)
	}
	n.isSaid, n.changes, *at = fails, 0, now
	return also, true
}

// said notes that another message has said that it fails.
func (n *notice) said() {
	*n = notice{fails: true, isSaid: true, at: [2]time.Time{n.at[0], time.Now()}}
}
