package engine

import "time"

// DialOptions are the options of a connection to a server.
type DialOptions struct {
	Timeout    time.Duration
	Congestion string // TCP congestion control; "" leaves the system's
}
