package transport

import "github.com/weir-proxy/weir/engine"

// warmAtOnce bounds the connections that are opened for later at the same time, so that a server that comes back is not met by a crowd.
const warmAtOnce = 4

// KeepWarm opens connections until config.Warm of them wait for work. It returns at once; what fails is tried again the next time it is called.
func (s *Conns) KeepWarm(address engine.Address, server string, config *Config, places Places) {
	missing := config.Warm - s.Idle - s.warming
	for range min(missing, warmAtOnce-s.warming) {
		s.warming++
		s.loop.Go(&warming{s, address, server, config, places})
	}
}

// warming is a connection on its way to be kept.
type warming struct {
	conns   *Conns
	address engine.Address
	server  string
	config  *Config
	places  Places
}

// Run opens the connection.
func (w *warming) Run() {
	defer func() { w.conns.warming-- }()
	c, err := w.conns.Dial(w.address, w.server, w.config, 0, w.places)
	if err != nil {
		return
	}
	c.Requests = 0
	c.Keep(w.config)
}
