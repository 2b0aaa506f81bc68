package pool

// Reason says why Pick gave no server; its String is the word of the access log and the status.
type Reason uint8

const (
	Picked        Reason = iota // there is a server
	NoServers                   // the pool has no servers
	NotResolved                 // the pool's names have no addresses yet
	AllDown                     // every server is down or drained
	AllTried                    // every server that could be chosen has been tried by this exchange
	Full                        // every server that could be chosen is at its limit, and so is the queue
	Shed                        // the queue is so long that the request would wait too long, or it made room for one that goes before it
	WaitedTooLong               // no server had room within the queue's wait
	Left                        // the client left the queue
	NotCaptured                 // the client wanted to go to weir itself, and the pool goes where clients wanted to go
)

func (r Reason) String() string {
	return [...]string{"picked", "no_servers", "name_not_resolved", "all_servers_down", "all_servers_tried", "all_servers_full", "shed", "waited_too_long", "client_left", "not_captured"}[r]
}
