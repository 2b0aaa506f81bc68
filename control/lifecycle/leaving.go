package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/handover"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/pool"
)

// A process that has been replaced serves its connections until they end. What the operator asks of weir concerns these too: the new process carries out an order on its own
// connections and sends it on. A process that leaves may itself still have one before it, and sends the order on in turn.

// Orders that one process sends to the one before it.
const (
	orderCount  = "count"
	orderServer = "server"
	orderKill   = "kill"

	orderRelease = "release"
)

// orderWithin is how long the answer to an order may take; each process in a row has a part of it. The one before this obeys once the probation is over.
const orderWithin = probation + time.Second

// askBefore sends an order to the process before this one, if there is one. found says that there was, whatever came of it.
func (d *Daemon) askBefore(by time.Time, what string, order, answer any) (found bool, err error) {
	before := d.before.Load()
	if before == nil {
		return false, nil
	}
	body, err := json.Marshal(order)
	if err != nil {
		return true, err
	}
	told, err := before.Ask(by, what, body)
	if errors.Is(err, handover.ErrGone) {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	return true, json.Unmarshal(told, answer)
}

// carryOut carries out an order of the process that has taken over.
func (d *Daemon) carryOut(by time.Time, what string, body []byte) ([]byte, error) {
	// The answer of a process before this one has to arrive here early enough to be passed on.
	before := time.Now().Add(time.Until(by) * 3 / 4)
	switch what {
	case orderCount:
		own, err := d.countOwn()
		if err != nil {
			return nil, err
		}
		return json.Marshal(append([]api.Leaving{own}, d.countBefore(before)...))
	case orderServer:
		var c api.ServerChange
		if err := json.Unmarshal(body, &c); err != nil {
			return nil, err
		}
		changed := d.overrideServers(c)
		warning := d.changeBefore(before, c)
		return json.Marshal(api.ServerChanged{Pools: changed, Warning: warning})
	case orderKill:
		var k api.Kill
		if err := json.Unmarshal(body, &k); err != nil {
			return nil, err
		}
		killed, err := d.killOwn(k)
		if err != nil {
			return nil, err
		}
		d.killBefore(before, k, killed)
		return json.Marshal(killed)
	case orderRelease:
		var r release
		if err := json.Unmarshal(body, &r); err != nil {
			return nil, err
		}
		d.release(r)
		if err := d.releaseBefore(before, r); err != nil {
			return nil, err
		}
		return []byte("{}"), nil
	}
	return nil, fmt.Errorf("this version does not know the order %q", what)
}

// countOwn counts what this process still has. It returns an error if a loop does not answer.
func (d *Daemon) countOwn() (api.Leaving, error) {
	own := api.Leaving{PID: os.Getpid(), Listeners: map[string]int64{}}
	pools := map[string]*pool.Status{}
	for name, to := range d.running.Load().Destinations {
		pools[name] = to.Pool.NewStatus()
	}
	d.mu.Lock()
	open := make([]*openListener, 0, len(d.open))
	for _, o := range d.open {
		open = append(open, o)
	}
	d.mu.Unlock()
	ok := d.onEachLoop(func(l *engine.Loop) {
		http := d.driver.Stats(l.Index)
		own.Clients += http.Clients
		own.Active += http.Active
		own.Upgraded += http.Tunnels
		own.Tunnels += d.tunnels.Stats(l.Index).Open
		own.Flows += d.flows.Stats(l.Index).Open
		for _, o := range open {
			_, connections := o.handler.Stats(l.Index)
			own.Listeners[o.name] += connections
		}
		for _, p := range pools {
			p.CopyLoop(l.Index, l.Now())
		}
	})
	if !ok {
		return api.Leaving{}, errors.New("a loop does not answer")
	}
	for name, p := range pools {
		for i := range p.Servers {
			if s := &p.Servers[i]; s.InFlight > 0 {
				own.Servers = append(own.Servers, api.LeavingServer{Pool: name, Name: s.Server.Name, Address: s.Server.Address.String(), InFlight: s.InFlight})
			}
		}
	}
	return own, nil
}

// countBefore is what the processes before this one still have.
func (d *Daemon) countBefore(by time.Time) (list []api.Leaving) {
	found, err := d.askBefore(by, orderCount, nil, &list)
	if !found {
		return nil
	}
	if err != nil {
		return []api.Leaving{{PID: d.before.Load().PID(), Silent: true}}
	}
	return list
}

// changeBefore has the processes before this one follow a change of a server, and returns what did not succeed.
func (d *Daemon) changeBefore(by time.Time, c api.ServerChange) (warning string) {
	changed := api.ServerChanged{}
	if _, err := d.askBefore(by, orderServer, c, &changed); err != nil {
		return fmt.Sprintf("connections of the process before go on unchanged: %v", err)
	}
	return changed.Warning
}

// killBefore has the processes before this one end what is meant, and adds it up.
func (d *Daemon) killBefore(by time.Time, k api.Kill, killed *api.Killed) {
	more := api.Killed{}
	if _, err := d.askBefore(by, orderKill, k, &more); err != nil {
		killed.Warning = fmt.Sprintf("connections of the process before may go on: %v", err)
		return
	}
	killed.Add(more)
}
