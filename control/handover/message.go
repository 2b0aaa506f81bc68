package handover

import "time"

// Message is one thing said; Kind tells which of the fields have a meaning.
type Message struct {
	Kind     string   `json:"kind"`
	Address  string   `json:"address,omitempty"`  // of listener, admin and connection; the name of a table
	Requests int      `json:"requests,omitempty"` // of connection: served so far
	Why      string   `json:"why,omitempty"`      // of failed
	Adopted  []string `json:"adopted,omitempty"`  // of ready: the addresses of listeners that are listened on by the new process
	Servers  []Server `json:"servers,omitempty"`  // of health
	Confined bool     `json:"confined,omitempty"` // of begin: Landlock holds already
	Tickets  *Tickets `json:"tickets,omitempty"`  // of tickets
	Entries  []byte   `json:"entries,omitempty"`  // of table: of EntrySize bytes each
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

// Kinds of messages. Listener, Admin and Connection come with descriptors.
const (
	Listener   = "listener"
	Admin      = "admin"
	Health     = "health"
	Secrets    = "tickets"
	Begin      = "begin"
	Ready      = "ready"
	Failed     = "failed"
	Table      = "table" // a part of what one of persistence knows
	Go         = "go"
	Serving    = "serving"
	Connection = "connection"
)

// EntrySize is the size of an entry of a table of persistence, as traffic/persistence writes it.
const EntrySize = 16

const (
	messageMax     = 60 << 10 // bytes of a message
	descriptorsMax = 250      // of one message; the system takes 253
	serversMax     = 200      // in a message
	entriesMax     = 2500     // in a message
)
