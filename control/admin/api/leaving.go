package api

// Leaving is what a process still has that another binary has replaced (SIGUSR2). Everything a Status says is open now includes it.
type Leaving struct {
	PID    int  `json:"pid"`    // 0: not known
	Silent bool `json:"silent"` // it does not answer: what it has is not known, and not included

	Clients   int64            `json:"clients"`   // connections of HTTP
	Active    int64            `json:"active"`    // exchanges
	Upgraded  int64            `json:"upgraded"`  // of these, tunnels such as WebSockets
	Tunnels   int64            `json:"tunnels"`   // at layer 4
	Flows     int64            `json:"flows"`     // of UDP
	Listeners map[string]int64 `json:"listeners"` // connections
	Servers   []LeavingServer  `json:"servers"`   // those that are not empty
}

// LeavingServer is a server as the process that leaves has it.
type LeavingServer struct {
	Pool     string `json:"pool"`
	Name     string `json:"name"`
	Address  string `json:"address"`
	InFlight int32  `json:"in_flight"`
}

// Open is connections and flows of clients; -1 if it is not known.
func (l *Leaving) Open() int64 {
	if l.Silent {
		return -1
	}
	return l.Clients + l.Tunnels + l.Flows
}

// AddLeaving adds what other processes still have to what is open in this one.
func (st *Status) AddLeaving(list []Leaving) {
	st.Leaving = list
	if !st.Complete {
		return
	}
	for i := range list {
		l := &list[i]
		st.Exchanges.Clients += l.Clients
		st.Exchanges.Active += l.Active
		st.Exchanges.Tunnels += l.Upgraded
		st.Tunnels.Open += l.Tunnels
		st.Flows.Open += l.Flows
		for k := range st.Listeners {
			st.Listeners[k].Connections += l.Listeners[st.Listeners[k].Name]
		}
		l.addServers(st.Pools)
	}
}

func (l *Leaving) addServers(pools []Pool) {
	type key struct{ pool, name, address string }
	inFlight := map[key]int32{}
	for _, s := range l.Servers {
		inFlight[key{s.Pool, s.Name, s.Address}] += s.InFlight
	}
	for i := range pools {
		for k := range pools[i].Servers {
			s := &pools[i].Servers[k]
			s.InFlight += inFlight[key{pools[i].Name, s.Name, s.Address}]
		}
	}
}

// IsSilent reports whether there is a process whose connections are not known.
func (st *Status) IsSilent() bool {
	for i := range st.Leaving {
		if st.Leaving[i].Silent {
			return true
		}
	}
	return false
}
