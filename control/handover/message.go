package handover

import (
	"net/netip"
	"time"
)

// Message is one thing said; Kind tells which of the fields have a meaning.
type Message struct {
	Kind     string   `json:"kind"`
	Address  string   `json:"address,omitempty"`  // of listener, admin and connection; the name of a table or file
	Requests int      `json:"requests,omitempty"` // of connection: served so far
	Why      string   `json:"why,omitempty"`      // of failed, and of an answer: why the order was not carried out
	Adopted  []string `json:"adopted,omitempty"`  // of ready: the addresses of listeners that are listened on by the new process
	Servers  []Server `json:"servers,omitempty"`  // of health
	Confined bool     `json:"confined,omitempty"` // of begin: Landlock holds already
	Tickets  *Tickets `json:"tickets,omitempty"`  // of tickets
	Entries  []byte   `json:"entries,omitempty"`  // of table: of EntrySize bytes each
	Takes    bool     `json:"takes,omitempty"`    // of ready: flows are taken; of go: they follow
	Flows    []Flow   `json:"flows,omitempty"`    // of flows
	Tags     [][]byte `json:"tags,omitempty"`     // of quic: what begins the connection IDs whose packets the old process gets
	QUIC     []string `json:"quic,omitempty"`     // of ready: the addresses whose socket for QUIC the new process reads
	Watches  bool     `json:"watches,omitempty"`  // of ready: Alive is sent after serving; of go: the old process waits for it
	PID      int      `json:"pid,omitempty"`      // of leaving: the old process's
	Order    *Order   `json:"order,omitempty"`    // of order and answer
	Body     []byte   `json:"body,omitempty"`     // of file, order and answer, or a part of it
	More     bool     `json:"more,omitempty"`     // of file and answer: another part follows
}

// Server is what the old process knows of the health of a server.
type Server struct {
	Pool    string `json:"pool"`
	Name    string `json:"name"`
	Address string `json:"address"`
	Health  string `json:"health"`
}

// Tickets are what session tickets are encrypted by, the newest first.
type Tickets struct {
	Secrets [][]byte  `json:"secrets"`
	Made    time.Time `json:"made"`
}

// Flow is the datagrams between a client and a server. The descriptors that come with a message belong to its flows in their order: one of the socket
// that is connected to the server, and another, if HasAnswers, of that which is connected to the client.
type Flow struct {
	Socket     int            `json:"socket,omitempty"` // of the listener, by the order in which they were handed over
	Client     netip.AddrPort `json:"client"`
	Local      netip.Addr     `json:"local"`
	Port       uint16         `json:"port,omitempty"`
	Proxy      netip.AddrPort `json:"proxy,omitzero"` // in front, that tells of the client
	To         netip.AddrPort `json:"to,omitzero"`    // where the client wanted to go, as that proxy tells
	Pool       string         `json:"pool"`
	Server     string         `json:"server"`
	Address    string         `json:"address"` // of the server
	Age        int64          `json:"age"`     // µs
	Silent     int64          `json:"silent"`  // ms
	Received   uint64         `json:"received"`
	Sent       uint64         `json:"sent"`
	Credit     uint64         `json:"credit"`
	Owed       int            `json:"owed"` // replies that pass whatever their size
	Awaited    int            `json:"awaited,omitempty"`
	Replies    uint64         `json:"replies"`
	Confirmed  bool           `json:"confirmed,omitempty"`
	HasAnswers bool           `json:"answers,omitempty"`
}

// Kinds of messages. Listener, Admin, QUIC, Connection and Flows come with descriptors.
const (
	Listener   = "listener"
	Admin      = "admin"
	QUIC       = "quic" // with two descriptors: the socket, and the way to the old process
	Health     = "health"
	Secrets    = "tickets"
	Begin      = "begin"
	Ready      = "ready"
	Failed     = "failed"
	Table      = "table" // a part of what one of persistence knows
	Go         = "go"
	Serving    = "serving"
	Alive      = "alive"    // after serving: every loop of the new process has just answered
	Stopping   = "stopping" // after serving: the new process was told to stop, and does
	File       = "file"     // what belongs into a file of the data directory, whether or not the disk has taken it
	Connection = "connection"
	Flows      = "flows"
	FlowsEnd   = "flows end"
	Leaving    = "leaving" // the old process takes orders from now on
	Ordered    = "order"
	Answered   = "answer"
)

// EntrySize is the size of an entry of a table of persistence, as traffic/persistence writes it.
const EntrySize = 16

const (
	messageMax     = 60 << 10 // bytes of a message
	descriptorsMax = 250      // of one message; the system takes 253
	serversMax     = 200      // in a message
	entriesMax     = 2500     // in a message
	flowsMax       = 64       // in a message: each of several hundred bytes, and up to two descriptors
)
