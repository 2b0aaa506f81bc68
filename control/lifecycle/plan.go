package lifecycle

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/engine"
)

// planner compares two snapshots, by the objects of their configurations.
type planner struct {
	before, after *snapshot.Snapshot
	drains        func(a engine.Address) bool // whether a listener of the address drains, and can be brought back
	plan          *api.Plan
}

// newPlan is what becomes of each object when after takes the place of before.
func newPlan(before, after *snapshot.Snapshot, drains func(a engine.Address) bool) *api.Plan {
	p := &planner{before, after, drains, &api.Plan{Changes: []api.Change{}, Operator: []string{}}}
	p.listeners()
	p.pools()
	p.sites()
	p.rest()
	p.operator()
	return p.plan
}

func (p *planner) note(does, key string, details ...string) {
	p.plan.Changes = append(p.plan.Changes, api.Change{Does: does, Key: key, Details: append([]string{}, details...)})
}

func (p *planner) listeners() {
	was := indexed(p.before.Listeners, func(l *snapshot.Listener) string { return l.Name })
	for i := range p.after.Listeners {
		l := &p.after.Listeners[i]
		old := was[l.Name]
		delete(was, l.Name)
		written := named(p.after.Config.Listeners, l.Name)
		if old == nil {
			p.note(api.Added, "listeners."+quoted(l.Name), p.opened(l, nil)...)
			continue
		}
		details := append(p.opened(l, old), p.closed(old, l)...)
		details = append(details, settled(named(p.before.Config.Listeners, l.Name), written)...)
		for _, file := range l.Renewed {
			details = append(details, "certificate "+file+" has changed and is read again")
		}
		if len(details) == 0 {
			p.plan.Kept.Listeners++
			continue
		}
		p.note(api.Changed, "listeners."+quoted(l.Name), details...)
	}
	for i := range p.before.Listeners {
		if l := &p.before.Listeners[i]; was[l.Name] != nil {
			p.note(api.Removed, "listeners."+quoted(l.Name), p.closed(l, nil)...)
		}
	}
}

// settled says from when on a listener's settings hold; addresses are told apart.
func settled(before, after *config.Listener) (details []string) {
	keys := slices.DeleteFunc(differing(before, after), func(key string) bool { return key == "address" })
	if i := slices.Index(keys, "tls"); i >= 0 {
		keys = slices.Delete(keys, i, i+1)
		details = append(details, "tls: for new connections")
	}
	if gone := versionsGone(before, after); len(gone) > 0 {
		details = append(details, strings.Join(gone, ", ")+": its connections take one more request each")
	}
	if len(keys) > 0 {
		from := ": from the next request of each connection on"
		switch {
		case after.Protocol == "udp":
			from = ": for new flows"
		case before.IsHTTP() && !after.IsHTTP():
			from = ": for new connections; those of HTTP end with their next answer"
		case !before.IsHTTP() && before.Protocol != "udp" && after.IsHTTP():
			from = ": for new connections; tunnels go on as they are"
		case !after.IsHTTP():
			from = ": for new connections"
		}
		details = append(details, strings.Join(keys, ", ")+from)
	}
	return details
}

// versionsGone are the versions of HTTP that a listener does not offer any more, and whose connections last.
func versionsGone(before, after *config.Listener) (gone []string) {
	if before.IsHTTP() && after.IsHTTP() && before.Offers("http2") && !after.Offers("http2") {
		gone = append(gone, "http2")
	}
	if after.IsHTTP() && before.SpeaksHTTP3() && !after.SpeaksHTTP3() {
		gone = append(gone, "http3")
	}
	return gone
}

// opened says which addresses of l are new to it.
func (p *planner) opened(l, old *snapshot.Listener) (details []string) {
	var list []addressDetail
	say := func(before string, a engine.Address, after string) {
		list = append(list, addressDetail{before, a, after})
	}
	for _, a := range l.Addresses {
		if old != nil && slices.Contains(old.Addresses, a) {
			continue
		}
		if from := listenerAt(p.before, a.String()); from != "" {
			say("takes ", a, " over from listener "+from+", with its connections")
		} else if f := kernelTakes(p.before, a); f != nil && f.Device != "" {
			say("takes ", a, " over from the kernel: connections that went to servers directly are reset")
		} else if f != nil {
			say("takes ", a, " over from the kernel: connections that the kernel carries stay with it until they end")
		} else if p.drains(a) {
			say("opens ", a, " again: what it still carries goes on")
		} else {
			say("opens ", a, "")
		}
	}
	details = ranged(list)
	for _, at := range forwardsOf(p.after, l.Name) {
		if !slices.Contains(forwardsOf(p.before, l.Name), at) && (old == nil || len(old.Addresses) == 0) { // else the listener's own address says it
			details = append(details, fmt.Sprintf("has the kernel take %s", at))
		}
	}
	return details
}

// closed says which addresses of old are gone. What another listener takes over is said there.
func (p *planner) closed(old, l *snapshot.Listener) (details []string) {
	var list []addressDetail
	was := named(p.before.Config.Listeners, old.Name)
	for _, a := range old.Addresses {
		if l != nil && slices.Contains(l.Addresses, a) {
			continue
		}
		if to := listenerAt(p.after, a.String()); to != "" {
			list = append(list, addressDetail{"gives ", a, " to listener " + to + ", with its connections"})
		} else if f := kernelTakes(p.after, a); f != nil {
			list = append(list, addressDetail{"gives ", a, " to the kernel: " + keptOf(was, f)})
		} else {
			list = append(list, addressDetail{"closes ", a, ": " + endOf(was)})
		}
	}
	details = ranged(list)
	for _, at := range forwardsOf(p.before, old.Name) {
		if !slices.Contains(forwardsOf(p.after, old.Name), at) && (l == nil || len(l.Addresses) == 0) {
			details = append(details, fmt.Sprintf("has the kernel take nothing new for %s; the connections that it carries go on", at))
		}
	}
	return details
}

// forwardsOf are the addresses that the kernel takes for a listener.
func forwardsOf(s *snapshot.Snapshot, listener string) (list []string) {
	for i := range s.Forwards {
		if f := &s.Forwards[i]; f.Listener == listener {
			for _, at := range f.Address {
				list = append(list, at.String())
			}
		}
	}
	return list
}

// endOf is what becomes of the connections of a listener's address that is closed.
func endOf(l *config.Listener) string {
	switch {
	case l.Protocol == "udp":
		return "its flows end once their last replies had time to come"
	case !l.IsHTTP():
		return fmt.Sprintf("its tunnels may go on for %v, and are reset then", l.Timeouts.Drain)
	}
	return fmt.Sprintf("its idle connections are closed, requests under way may go on for %v, and are cut then", l.Timeouts.Drain)
}

// keptOf is what becomes of the connections of a listener whose address the kernel takes over.
func keptOf(l *config.Listener, f *snapshot.Forward) string {
	switch {
	case l.Protocol == "udp" || l.IsHTTP() && f.Device == "":
		return endOf(l)
	case f.Device != "":
		return "its connections are reset, as the servers get their packets"
	}
	return "its tunnels go on here until they end"
}

func listenerAt(s *snapshot.Snapshot, address string) string {
	for i := range s.Listeners {
		for _, a := range s.Listeners[i].Addresses {
			if a.String() == address {
				return s.Listeners[i].Name
			}
		}
	}
	return ""
}

func (p *planner) sites() {
	was := indexed(p.before.Config.Sites, func(s *config.Site) string { return s.Name })
	for i := range p.after.Config.Sites {
		s := &p.after.Config.Sites[i]
		old := was[s.Name]
		delete(was, s.Name)
		key := "sites." + quoted(s.Name)
		switch {
		case old == nil:
			p.note(api.Added, key)
		case sameSite(old, s):
			p.plan.Kept.Sites++
		default:
			p.note(api.Changed, key, append(routesDiffering(old, s), redirectsDiffering(old.Redirects, s.Redirects)...)...)
		}
	}
	for i := range p.before.Config.Sites {
		if s := &p.before.Config.Sites[i]; was[s.Name] != nil {
			p.note(api.Removed, "sites."+quoted(s.Name), "requests under way end as they began")
		}
	}
}

// routesDiffering names the routes that come, go or change.
func routesDiffering(old, s *config.Site) (details []string) {
	was := indexed(old.Routes, func(r *config.Route) string { return r.Key })
	for i := range s.Routes {
		r := &s.Routes[i]
		before := was[r.Key]
		delete(was, r.Key)
		if before == nil {
			details = append(details, "+ route "+r.Path)
		} else if keys := differing(before, r); len(keys) > 0 {
			details = append(details, fmt.Sprintf("~ route %s: %s", r.Path, strings.Join(keys, ", ")))
		}
	}
	for i := range old.Routes {
		if r := &old.Routes[i]; was[r.Key] != nil {
			details = append(details, "- route "+r.Path)
		}
	}
	return details
}

// rest compares what is not named: each of these keys as a whole.
func (p *planner) rest() {
	before, after := reflect.ValueOf(p.before.Config).Elem(), reflect.ValueOf(p.after.Config).Elem()
	for i := range before.NumField() {
		f := before.Type().Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		// defaults are in each route already, and tests run only in `weir check`.
		if !f.IsExported() || strings.Contains(options, "named") || key == "include" || key == "defaults" || key == "tests" {
			continue
		}
		a, b := before.Field(i), after.Field(i)
		if reflect.DeepEqual(a.Interface(), b.Interface()) {
			continue
		}
		details := []string{}
		if a.Kind() == reflect.Struct {
			details = append(details, strings.Join(differing(a.Addr().Interface(), b.Addr().Interface()), ", "))
		}
		p.note(api.Changed, key, details...)
	}
}

// differing lists the keys by which two objects of one type differ, given as pointers. What stands without a key, such as `off`, is the
// object's own word.
func differing(before, after any) (keys []string) {
	a, b := reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem()
	for i := range a.NumField() {
		f := a.Type().Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()):
		case options == "inline":
			keys = append(keys, differing(a.Field(i).Addr().Interface(), b.Field(i).Addr().Interface())...)
		case key == "" || key == "-":
			keys = append(keys, strings.ToLower(f.Name))
		default:
			keys = append(keys, key)
		}
	}
	return keys
}

func indexed[T any](list []T, name func(*T) string) map[string]*T {
	m := map[string]*T{}
	for i := range list {
		m[name(&list[i])] = &list[i]
	}
	return m
}

func named(list []config.Listener, name string) *config.Listener {
	return indexed(list, func(l *config.Listener) string { return l.Name })[name]
}

// quoted is a name as paths of problems have it: in quotes where it is not a plain word.
func quoted(name string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	if name == "" || strings.Trim(name, plain) != "" {
		return strconv.Quote(name)
	}
	return name
}
