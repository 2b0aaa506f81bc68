package lifecycle

import (
	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/kernel/netfilter"
	"github.com/weir-proxy/weir/kernel/routing"
)

// network is what the kernel has been told. Guarded by the daemon's mu.
type network struct {
	table  *netfilter.Table // nil: nothing was ever to do
	rules  *netfilter.Rules
	file   string        // the configuration
	routes routing.Local // Table is 0 while there are none
}

// apply tells the kernel what a snapshot wants; on an error nothing has changed.
func (n *network) apply(s *snapshot.Snapshot) error {
	if n.table == nil && s.Rules.IsEmpty() {
		return nil
	}
	if n.table == nil {
		t, err := netfilter.Open(n.file)
		if err != nil {
			return err
		}
		n.table = t
	}
	was := n.routes
	if s.Rules.Routes() { // also if they were there before: somebody may have removed them
		if err := s.Routes.Add(); err != nil {
			return err
		}
		n.routes = s.Routes
	}
	if err := n.table.Apply(s.Rules); err != nil {
		if n.routes != was {
			n.routes.Remove()
			n.routes = was
		}
		return err
	}
	if was.Table != 0 && (was != s.Routes || !s.Rules.Routes()) {
		was.Remove()
	}
	if !s.Rules.Routes() {
		n.routes = routing.Local{}
	}
	n.rules = s.Rules
	return nil
}

// restore puts the rules and routes back that somebody else has removed, and reports whether there was anything to do.
func (n *network) restore() (bool, error) {
	if n.routes.Table == 0 || n.routes.IsThere() {
		return false, nil
	}
	return true, n.routes.Add()
}

// restoreKernel restores, at a reload, all that weir has set up in the kernel and somebody else has changed.
func (d *Daemon) restoreKernel() {
	d.restoreNetwork()
	if err := d.restoreForwarding(); err != nil {
		d.log.Error("somebody else has changed the kernel's forwarding tables, and they cannot be put back", "error", err)
	}
}

// restoreNetwork restores policy routing, and logs it. The caller holds mu.
func (d *Daemon) restoreNetwork() {
	switch restored, err := d.network.restore(); {
	case err != nil:
		d.log.Error("somebody else has removed rules or routes that weir needs, and they cannot be put back", "error", err)
	case restored:
		d.log.Warn("somebody else has removed rules or routes that weir needs; they are as the configuration has them again", "table", d.network.routes.Table)
	}
}

// release captures nothing new: who comes now goes the way that there is without weir. What is under way goes on.
func (n *network) release() error {
	if n.rules == nil || len(n.rules.Captures) == 0 {
		return nil
	}
	last := *n.rules
	last.Captures, last.Borrowed = nil, n.routes.Table != 0
	n.rules = &last
	return n.table.Apply(&last)
}

// close takes everything back. The routing is left where another process has taken over, which needs it.
func (n *network) close(isReplaced bool) error {
	if n.table == nil {
		return nil
	}
	err := n.table.Close()
	if n.routes.Table != 0 && !isReplaced {
		if e := n.routes.Remove(); e != nil {
			err = e
		}
	}
	n.table = nil
	return err
}
