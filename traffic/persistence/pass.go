package persistence

import "encoding/binary"

// entrySize is that of an entry between processes: key, tag, and the seconds it lives, little endian.
const entrySize = 8 + 4 + 4

// Entries are all that live, for another table. now is in ms of the loops' clock.
func (t *Table) Entries(now int64) (entries []byte) {
	at := seconds(now)
	for i := range t.slots {
		w := t.slots[i].who.Load()
		key := t.slots[i].key.Load()
		if uint32(w) <= at || t.slots[i].who.Load() != w {
			continue
		}
		entries = binary.LittleEndian.AppendUint64(entries, key)
		entries = binary.LittleEndian.AppendUint32(entries, uint32(w>>32))
		entries = binary.LittleEndian.AppendUint32(entries, uint32(w)-at)
	}
	return entries
}

// Fill notes entries of another table. None lives for longer than those of this one do.
func (t *Table) Fill(entries []byte, now int64) {
	for ; len(entries) >= entrySize; entries = entries[entrySize:] {
		key, tag, left := binary.LittleEndian.Uint64(entries), binary.LittleEndian.Uint32(entries[8:]), binary.LittleEndian.Uint32(entries[12:])
		t.keep(key, tag, min(left, t.expire), now)
	}
}
