package api

import "time"

// Status is what a weir says of itself at one moment.
type Status struct {
	Version       string    `json:"version"`
	State         string    `json:"state"` // running, stopping or stuck
	PID           int       `json:"pid"`
	Process       *Process  `json:"process,omitempty"`
	Started       time.Time `json:"started"`
	UptimeSeconds float64   `json:"uptime_seconds"`
	Config        Config    `json:"config"`
	StuckLoops    int       `json:"stuck_loops"`
	// IsShared says that a new binary serves beside this process and has not proved itself yet. It counts both once it has; until then, who asks is to ask again.
	IsShared bool `json:"-"`

	Leaving []Leaving `json:"leaving,omitempty"` // processes that were replaced and still have connections

	// Complete says that every loop answered. When one did not, everything below is left out rather than wrong.
	Complete     bool          `json:"complete"`
	Loops        []Loop        `json:"loops"`
	Blocking     []Blocking    `json:"blocking"`
	Exchanges    Exchanges     `json:"exchanges"`
	Tunnels      Tunnels       `json:"tunnels"`
	Flows        Flows         `json:"flows"`
	Listeners    []Listener    `json:"listeners"`
	Pools        []Pool        `json:"pools"`
	Tables       []Table       `json:"tables"` // of persistence
	Certificates []Certificate `json:"certificates"`
}

// Process is what the process may do.
type Process struct {
	User     string `json:"user"`      // that it runs as
	LowPorts bool   `json:"low_ports"` // a reload can open ports below 1024
	Landlock bool   `json:"landlock"`  // the kernel refuses writes but to a few directories
}

// States of a weir.
const (
	Running  = "running"
	Starting = "starting"
	Stopping = "stopping"
	Stuck    = "stuck" // a loop's turn does not end
)

// Config is the configuration's fate.
type Config struct {
	File       string     `json:"file"`
	Reloads    int        `json:"reloads"` // taken, the first included
	Refused    int        `json:"refused"`
	LastReload *time.Time `json:"last_reload,omitempty"` // the last one asked for
	LastError  string     `json:"last_error,omitempty"`  // of the last one, if it was refused
	Warnings   []string   `json:"warnings,omitempty"`    // of the running configuration, as 'weir check' prints them
}

// Loop is one event loop.
type Loop struct {
	Index        int    `json:"index"`
	Turns        uint64 `json:"turns"`
	Events       uint64 `json:"events"`
	Accepted     uint64 `json:"accepted"`
	Moved        uint64 `json:"moved"` // accepted and handed to another loop
	AcceptPauses uint64 `json:"accept_pauses"`
	MadeRoom     uint64 `json:"made_room"` // connections ended so that new clients get in
	Dialed       uint64 `json:"dialed"`
	Open         int64  `json:"open"` // connections, to clients and servers
	Posted       uint64 `json:"posted"`
	Panics       uint64 `json:"panics"`
	SlowTurns    uint64 `json:"slow_turns"`
	SplicedBytes uint64 `json:"spliced_bytes"`
	// Small sends that left together with others, and the system calls for them; 0: the system has no io_uring for weir.
	SendsTogether uint64 `json:"sends_together"`
	SendCalls     uint64 `json:"send_calls"`
}

// Blocking counts the blocking work of a kind, which workers do for the loops.
type Blocking struct {
	Work    string `json:"work"`
	Running int64  `json:"running"`
	Waiting int64  `json:"waiting"`
	Begun   uint64 `json:"begun"`
	Refused uint64 `json:"refused"` // not begun: too many of their kind ran or waited
	Stuck   uint64 `json:"stuck"`   // given up: the system did not answer
}

// Exchanges are requests and their answers, over all loops.
type Exchanges struct {
	Clients         int64             `json:"clients"`          // client connections open
	ClientsAccepted uint64            `json:"clients_accepted"` // client connections seen
	Active          int64             `json:"active"`
	Tunnels         int64             `json:"tunnels"` // of the active ones
	Requests        uint64            `json:"requests"`
	Status          map[string]uint64 `json:"status"`  // answers by class, 1xx to 5xx
	Reasons         map[string]uint64 `json:"reasons"` // ended exchanges by reason; those that occurred
	ReceivedBytes   uint64            `json:"received_bytes"`
	SentBytes       uint64            `json:"sent_bytes"`
	Retries         uint64            `json:"retries"`
	LogDrops        uint64            `json:"log_drops"` // access log records that found no room
	Spills          uint64            `json:"spills"`    // bodies that a file was opened for
	SpillsFailed    uint64            `json:"spills_failed"`
	LogLost         uint64            `json:"log_lost"` // access log lines that could not be written
}

// Tunnels are the connections of layer 4 listeners, over all loops.
type Tunnels struct {
	Open          int64             `json:"open"`
	Accepted      uint64            `json:"accepted"`
	Reasons       map[string]uint64 `json:"reasons"`        // of ended ones; those that occurred
	ReceivedBytes uint64            `json:"received_bytes"` // from clients
	SentBytes     uint64            `json:"sent_bytes"`
	Retries       uint64            `json:"retries"`
	LogDrops      uint64            `json:"log_drops"`
}

// Flows are the datagrams of UDP listeners, by client, over all loops.
type Flows struct {
	Open              int64             `json:"open"`
	Opened            uint64            `json:"opened"`
	Reasons           map[string]uint64 `json:"reasons"`        // of ended flows, and of datagrams that found no place in one; those that occurred
	ReceivedBytes     uint64            `json:"received_bytes"` // from clients
	SentBytes         uint64            `json:"sent_bytes"`
	ReceivedDatagrams uint64            `json:"received_datagrams"`
	SentDatagrams     uint64            `json:"sent_datagrams"`
	Withheld          uint64            `json:"withheld"` // datagrams for clients that had not confirmed their address and had enough
	Dropped           uint64            `json:"dropped"`  // datagrams, to clients and servers, that the system did not take
	LogDrops          uint64            `json:"log_drops"`
}

// Listener is a listener of the configuration with all its addresses.
type Listener struct {
	Name        string     `json:"name"`
	Addresses   []string   `json:"addresses"`      // those whose ports follow each other as one: 10.0.0.1:9000-9005
	Mode        string     `json:"mode,omitempty"` // nat or direct, where the kernel carries the connections; else empty
	Connections int64      `json:"connections"`    // open; where the kernel carries them, flows of datagrams as well
	Refused     uint64     `json:"refused"`        // by the kernel, since allow or deny excludes their client; those that weir itself refuses are counted by reason
	Handshakes  Handshakes `json:"handshakes"`
	Dropped     uint64     `json:"dropped"` // connections of proxies that began with no PROXY header, or an odd one
}

// Handshakes are those of TLS with clients.
type Handshakes struct {
	OK      uint64 `json:"ok"`
	Failed  uint64 `json:"failed"`
	Resumed uint64 `json:"resumed"` // of those that are ok
}

// Pool is a pool with its servers.
type Pool struct {
	Name         string       `json:"name"`
	Mode         string       `json:"mode"`   // proxy, nat or direct
	Policy       string       `json:"policy"` // the method of balancing; where the kernel carries the connections, how that chooses
	Multiplexing Multiplexing `json:"multiplexing"`
	Unresolved   []string     `json:"unresolved"` // names that have no address yet
	Queue        Queue        `json:"queue"`
	FellBack     uint64       `json:"fell_back"` // requests that the fallback pool took
	Persistence  Persistence  `json:"persistence"`
	Mirror       Mirror       `json:"mirror"`
	Hedge        Hedge        `json:"hedge"`
	Servers      []Server     `json:"servers"`
}

// Hedge is the requests that were sent to a second server because the first took long, since the pool was changed last.
type Hedge struct {
	Sent uint64 `json:"sent"` // copies
	Won  uint64 `json:"won"`  // copies that were answered first
}

// Mirror is the copies of other pools' requests that a pool gets, since the start.
type Mirror struct {
	Sent    uint64 `json:"sent"`    // copies that went out
	Skipped uint64 `json:"skipped"` // requests that got none: their bodies were too large, or too many copies were under way
	Failed  uint64 `json:"failed"`  // copies that no server answered
	Same    uint64 `json:"same"`    // answers that are those that clients got
	Differs uint64 `json:"differs"` // answers that are not
}

// Queue is the requests that find all servers of a pool at their limit.
type Queue struct {
	Waiting int               `json:"waiting"`
	Queued  uint64            `json:"queued"` // requests that waited, since the start
	Shed    map[string]uint64 `json:"shed"`   // requests refused for want of room, by criticality
}

// Persistence is how often clients stayed with their servers, since the start.
type Persistence struct {
	Kept   uint64 `json:"kept"`   // requests that went to the server their client stays with
	Placed uint64 `json:"placed"` // clients that were given a server
	Lost   uint64 `json:"lost"`   // requests whose server was gone or down
}

// Table is what keeps clients with servers without a cookie.
type Table struct {
	Name     string `json:"name"`
	Size     int    `json:"size"` // clients that it can remember
	Used     int    `json:"used"`
	Replaced uint64 `json:"replaced"` // clients forgotten before their time, for want of room
}

// Server is one server of a pool.
type Server struct {
	Name               string            `json:"name"`
	Address            string            `json:"address"`
	Health             string            `json:"health"` // unknown, up or down
	EjectedUntil       *time.Time        `json:"ejected_until,omitempty"`
	State              string            `json:"state"`              // available, drained or disabled
	Override           *Override         `json:"override,omitempty"` // what the operator said at run time
	Weight             int               `json:"weight"`
	MaxRequests        int               `json:"max_requests"`   // in flight, that of connections included; 0: no limit
	AdaptiveLimit      int32             `json:"adaptive_limit"` // requests in flight, while the server is found overloaded; 0: none
	Requests           uint64            `json:"requests"`
	InFlight           int32             `json:"in_flight"`
	Clients            int               `json:"clients"`         // that the tables of persistence have here
	ClientsSeconds     int               `json:"clients_seconds"` // until the last of them is forgotten if none comes back
	Outcomes           map[string]uint64 `json:"outcomes"`        // of attempts that ended
	Retries            uint64            `json:"retries"`
	Ejections          uint64            `json:"ejections"`
	Connections        Connections       `json:"connections"`
	IdleTimeoutSeconds float64           `json:"idle_timeout_seconds"` // the server's own as far as it was learnt, less a margin; 0: not known
	LatencySeconds     float64           `json:"latency_seconds"`      // moving average; 0: not known
	SentBytes          uint64            `json:"sent_bytes"`           // to the server
	ReceivedBytes      uint64            `json:"received_bytes"`
	CountedIn          string            `json:"counted_in,omitempty"` // with mode: nat, the pool that shows what the kernel has counted of this server for both
}

// Override is what the operator said of a server at run time, above the configuration.
type Override struct {
	State  string `json:"state,omitempty"`
	Weight *int   `json:"weight,omitempty"`
	// Only until the next reload.
	UntilReload bool `json:"until_reload"`
}

// Connections are those to a server.
type Connections struct {
	Open   int    `json:"open"`
	Idle   int    `json:"idle"`
	Opened uint64 `json:"opened"` // since the start
	Reused uint64 `json:"reused"` // times that an exchange found an open one

	Ports   int    `json:"ports"`    // connections that weir's own addresses have ports for; 0: not known, or clients bring theirs
	NoPorts uint64 `json:"no_ports"` // times that an own address had no free port for another one
}

// Certificate is one that clients are met with.
type Certificate struct {
	Listener string    `json:"listener"` // "": all
	File     string    `json:"file"`     // of the chain; of one that weir got itself "acme:" or "internal:" and its name
	Names    []string  `json:"names"`
	Expires  time.Time `json:"expires"`
	DaysLeft int       `json:"days_left"` // whole days; negative once it has expired
}
