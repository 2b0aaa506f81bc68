package config

// Balance is how a server is chosen. A bare value is a method; `hash` and `maglev` may carry their key.
type Balance struct {
	// The method: `least_latency` (of two random servers the one with less latency × requests in flight; connections and upgraded requests, which last, go where the fewest are),
	// `round_robin`, `least_requests`, `random`, `hash`, `maglev`, `first` (the first in written order that is well),
	// `prequal` (of the servers with few requests in flight the one with the least latency at its load).
	Method string `yaml:"-,short" default:"least_latency" words:"least_latency round_robin least_requests random hash maglev first prequal" example:"round_robin"`

	// Consistent hashing with bounded load: the same key reaches the same server while that is not overloaded.
	Hash *Hash `yaml:"hash" example:"{ on: path, load: 1.5 }"`

	// Maglev hashing: the same key reaches the same server by a table that changes little.
	Maglev *Hash `yaml:"maglev" example:"{ on: client_ip }"`
}

// Key returns the options of the hashing method in use, or nil.
func (b *Balance) Key() *Hash {
	switch b.Method {
	case "hash":
		return b.Hash
	case "maglev":
		return b.Maglev
	}
	return nil
}

// Hash says what is hashed. A bare value is `on`.
type Hash struct {
	// The key: `client_ip`, `path`, `uri` (path and query), `header:NAME` or `cookie:NAME`.
	// A request without that header or cookie is hashed by its client's address.
	On HashKey `yaml:"on,short" default:"client_ip" example:"\"cookie:user\""`

	// How far above the average a server may be loaded before its keys go to the next; `0` is without bound. `hash` only.
	Load float64 `yaml:"load" default:"1.25" example:"1.5"`
}
