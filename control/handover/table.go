package handover

import (
	"encoding/binary"
	"time"

	"github.com/weir-proxy/weir/traffic/persistence"
)

const entrySize = 16

// SendTable says what a table of persistence knows. now is in ms of the loops' clock.
func (c *Channel) SendTable(by time.Time, name string, t *persistence.Table, now int64) (err error) {
	entries := make([]byte, 0, entriesMax*entrySize)
	flush := func() {
		if err == nil && len(entries) > 0 {
			err = c.sendPatiently(by, Message{Kind: Table, Address: name, Entries: entries})
		}
		entries = entries[:0]
	}
	t.Each(now, func(e persistence.Entry) {
		entries = binary.LittleEndian.AppendUint64(entries, e.Key)
		entries = binary.LittleEndian.AppendUint32(entries, e.Tag)
		if entries = binary.LittleEndian.AppendUint32(entries, e.Left); len(entries) == entriesMax*entrySize {
			flush()
		}
	})
	flush()
	return err
}

// Fill puts what a message of SendTable has into a table.
func (m *Message) Fill(t *persistence.Table, now int64) {
	for e := m.Entries; len(e) >= entrySize; e = e[entrySize:] {
		t.Put(persistence.Entry{Key: binary.LittleEndian.Uint64(e), Tag: binary.LittleEndian.Uint32(e[8:]), Left: binary.LittleEndian.Uint32(e[12:])}, now)
	}
}
