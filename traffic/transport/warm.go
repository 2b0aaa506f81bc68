package transport

// warmAtOnce bounds the connections that are opened for later at the same time, so that a server that comes back is not met by a crowd.
const warmAtOnce = 4

// KeepWarm opens connections until config.Warm of them wait for work. It returns at once; what fails is tried again the next time it is called.
func (s *Conns) KeepWarm(config *Config, d Dialing) {
	if config.ByName && d.Server == "" && d.Asked == "" {
		return // by which name, requests will say
	}
	if len(s.shared) > 0 {
		return // one is enough for many exchanges
	}
	missing := config.Warm - s.Idle - s.warming
	for range min(missing, warmAtOnce-s.warming) {
		s.warming++
		s.loop.Go(&warming{s, config, d})
	}
}

// warming is a connection on its way to be kept.
type warming struct {
	conns  *Conns
	config *Config
	dial   Dialing
}

// Run opens the connection.
func (w *warming) Run() {
	defer func() { w.conns.warming-- }()
	c, err := w.conns.Dial(w.config, w.dial)
	if err != nil {
		return
	}
	c.Requests = 0
	c.Keep(w.config)
}
