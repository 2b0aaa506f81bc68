package engine

// Stats are a loop's own counters: plain fields, written by the loop alone. Others read them by posting to the loop.
type Stats struct {
	Turns       uint64 // rounds of the loop
	Events      uint64 // readiness events
	Accepted    uint64 // connections accepted
	AcceptPause uint64 // times accepting paused because descriptors or memory ran out
	MadeRoom    uint64 // connections ended so that new clients get in
	MovedAway   uint64 // accepted connections handed to a less loaded loop
	Dialed      uint64 // connections opened to servers
	Open        int64  // connections open now
	Posted      uint64 // functions run for others
	Panics      uint64 // panics recovered
	SlowTurns   uint64 // turns longer than SlowTurn
	Spliced     uint64 // bytes moved by splice
	// Sends that left together with others, and the system calls that took.
	SendsTogether uint64
	SendCalls     uint64
	Packets       PacketStats
}
