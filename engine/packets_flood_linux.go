package engine

// How much of a socket is read in a turn of the loop, and what becomes of it when more comes than that.
const (
	packetRounds   = 4  // calls per turn and socket, so that a flood does not have the loop to itself
	skippingRounds = 32 // as packetRounds, where packets are skipped
	floodedAfter   = 50 // ms
)

// readable takes what has come, in batches. Packets that the handler skips cost little, so that more are read for them.
func (s *PacketSocket) readable() {
	p := s.loop.packets()
	s.skipped = 0
	for round := 0; round < packetRounds+s.skipped/packetBatch && round < skippingRounds; round++ {
		if s.closed {
			return
		}
		n := s.receive(p)
		if n > 0 {
			s.handle(p.batch[:n])
			s.loop.flushPackets()
		}
		if n < packetBatch {
			s.behind = 0
			return
		}
	}
	if s.behind == 0 {
		s.behind = s.loop.now
	}
}

// IsFlooded reports whether for some time more has come than is read: what costs much is to be skipped, so that the rest is reached before the system drops it.
func (s *PacketSocket) IsFlooded() bool { return s.behind != 0 && s.loop.now-s.behind >= floodedAfter }

// Skipped says that the handler did nothing for a packet.
func (s *PacketSocket) Skipped() { s.skipped++ }
