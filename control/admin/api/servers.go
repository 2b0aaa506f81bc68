package api

import (
	"cmp"
	"slices"
)

// States that an operator may give a server.
const (
	Available    = "available"
	Drained      = "drained"       // nothing new but from clients that stay with it
	Disabled     = "disabled"      // nothing new at all
	AsConfigured = "as_configured" // what was said at run time is taken back, weights too
)

// ServerChange is an operator's word on a server.
type ServerChange struct {
	Pool   string `json:"pool,omitempty"` // the only one meant; "": all that have the server
	Server string `json:"server"`         // its name as configured, or an address
	State  string `json:"state,omitempty"`
	Weight *int   `json:"weight,omitempty"` // 0 to 1000
	// Only until the next reload. Without it the change lasts, across reloads, new binaries and restarts, until State is as_configured.
	UntilReload bool `json:"until_reload,omitempty"`
}

// ServerChanged is what came of it.
type ServerChanged struct {
	Pools   []string `json:"pools"`
	Warning string   `json:"warning,omitempty"` // why it may not outlast the process
}

// Kill says whose connections are to end: those to a server, those of a client, or those of a client to a server.
type Kill struct {
	Pool   string `json:"pool,omitempty"`   // the only one meant with Server; "": all that have it
	Server string `json:"server,omitempty"` // its name as configured, or an address
	Client string `json:"client,omitempty"` // its address
}

// Killed is what came of it.
type Killed struct {
	Pools []string `json:"pools"` // in which the server is
	Ended int      `json:"ended"` // requests, tunnels and flows
	// Why some connections may go on: those of a process that has been replaced and does not answer.
	Warning string `json:"warning,omitempty"`
}

// Add adds what another process has ended.
func (k *Killed) Add(other Killed) {
	k.Ended += other.Ended
	k.Warning = cmp.Or(k.Warning, other.Warning)
	for _, name := range other.Pools {
		if !slices.Contains(k.Pools, name) {
			k.Pools = append(k.Pools, name)
		}
	}
}
