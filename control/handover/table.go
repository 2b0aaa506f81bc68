package handover

import "time"

// SendTable says what a table of persistence knows, in entries of EntrySize bytes.
func (c *Channel) SendTable(by time.Time, name string, entries []byte) error {
	for ; len(entries) > 0; entries = entries[min(len(entries), entriesMax*EntrySize):] {
		if err := c.SendPatiently(by, Message{Kind: Table, Address: name, Entries: entries[:min(len(entries), entriesMax*EntrySize)]}); err != nil {
			return err
		}
	}
	return nil
}
