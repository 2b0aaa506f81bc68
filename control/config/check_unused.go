package config

// This file warns of keys that are written and have no effect where they stand, as they are about requests: connections and datagrams that are carried as they come have none.

// Keys of listeners and pools that only requests have.
var (
	requestsOfListener = []string{"trusted_fields", "public_port", "public_url", "http", "limits.header_size", "limits.header_count", "limits.url_size", "limits.requests",
		"timeouts.body", "timeouts.send", "timeouts.idle"}
	requestsOfPool     = []string{"hedge", "responses", "buffer", "protocol", "timeouts.response", "timeouts.request", "timeouts.body", "timeouts.stream", "timeouts.idle"}
	connectionsOfFlows = []string{"limits.connections", "limits.connections_per_client", "timeouts.header", "timeouts.handshake"}
	connectionsOfPool  = []string{"queue", "retries", "on_down", "connections", "timeouts.connect", "timeouts.tunnel", "timeouts.half_closed", "timeouts.lifetime"}
)

// warnRequestsOnly warns of them on a listener that carries what comes, and on the pools that it alone leads to.
func (r *reader) warnRequestsOnly(cfg *Config) {
	pools := map[string]*Listener{}
	for i := range cfg.Listeners {
		l := &cfg.Listeners[i]
		if to := cfg.Pool(l.Pool); l.IsHTTP() || l.Terminates() || to != nil && to.IsForwarded() { // see warnNotForwarded
			continue
		}
		path := joinPath("listeners", l.Name)
		if l.Protocol != "ftp" {
			r.warnWithoutEffect(path, "connections are carried as they come, and this is about requests", requestsOfListener)
		}
		if l.Protocol == "udp" {
			r.warnWithoutEffect(path, "datagrams come by no connection", connectionsOfFlows)
		}
		for _, name := range l.pools() {
			if other := pools[name]; other == nil || other.Protocol == "udp" {
				pools[name] = l
			}
		}
	}
	for i := range cfg.Pools {
		p := &cfg.Pools[i]
		l, path := pools[p.Name], joinPath("pools", p.Name)
		if l == nil || p.IsForwarded() || r.leadsRoute(cfg, p.Name) {
			continue
		}
		r.warnWithoutEffect(path, "listener "+l.Name+" carries connections as they come, and this is about requests", requestsOfPool)
		if l.Protocol == "udp" {
			r.warnWithoutEffect(path, "listener "+l.Name+" carries datagrams, which come by no connection", connectionsOfPool)
		}
	}
}

func (r *reader) warnWithoutEffect(path, why string, keys []string) {
	for _, key := range keys {
		if at := path + "." + key; r.isWritten(at) {
			r.warn(r.at(at), at, "has no effect: %s", why)
		}
	}
}
