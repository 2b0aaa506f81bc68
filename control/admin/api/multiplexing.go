package api

import (
	"math"
	"strconv"
)

// Multiplexing is how few connections to a pool's servers its clients share, since the start.
type Multiplexing struct {
	Clients  uint64  `json:"clients"` // client connections that sent the pool a request
	Servers  uint64  `json:"servers"` // connections opened to its servers
	Ratio    float64 `json:"ratio"`   // Clients / Servers; 0 before the first connection
	Text     string  `json:"text"`    // the same as "12:1"; "" before the first connection
	Requests float64 `json:"requests_per_server_connection"`
	Reuse    float64 `json:"reuse_percent"` // of the requests, those that found an open connection
}

// NewMultiplexing does the arithmetic: opened connections were found open reused times.
func NewMultiplexing(clients, opened, reused uint64) Multiplexing {
	m := Multiplexing{Clients: clients, Servers: opened}
	if opened > 0 {
		m.Ratio = float64(clients) / float64(opened)
		m.Text = ratioText(clients, opened)
		m.Requests = float64(opened+reused) / float64(opened)
		m.Reuse = 100 * float64(reused) / float64(opened+reused)
	}
	return m
}

// ratioText is "12:1", "1.5:1", or "1:4" where there are fewer clients.
func ratioText(clients, opened uint64) string {
	switch {
	case clients == 0:
		return "0:" + strconv.FormatUint(opened, 10)
	case clients >= opened:
		return short(float64(clients)/float64(opened)) + ":1"
	}
	return "1:" + short(float64(opened)/float64(clients))
}

// short has one decimal below 10, where it tells something.
func short(f float64) string {
	if f < 10 {
		f = math.Round(f*10) / 10
	} else {
		f = math.Round(f)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
