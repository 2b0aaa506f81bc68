package pool

// Reason says why Pick gave no server; its String is the word of the access log and the status.
type Reason uint8

const (
	Picked      Reason = iota // there is a server
	NoServers                 // the pool has no servers
	NotResolved               // the pool's names have no addresses yet
	AllDown                   // every server is down or drained
	AllTried                  // every server that could be chosen has been tried by this exchange
)

func (r Reason) String() string {
	return [...]string{"picked", "no_servers", "name_not_resolved", "all_servers_down", "all_servers_tried"}[r]
}
