package routing

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Local is the way of marked packets to this machine.
type Local struct {
	Mark  uint32
	Table int // of the routing table, and the rule's priority
}

var families = [...]struct {
	family  int
	all     string
	command string
}{{unix.AF_INET, "0.0.0.0/0", "ip"}, {unix.AF_INET6, "::/0", "ip -6"}}

// Add sets the rules and routes. It needs CAP_NET_ADMIN. A family that the system does not have is left alone.
func (l Local) Add() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("routing: lo: %w", err)
	}
	for _, f := range families {
		if err := netlink.RouteReplace(l.route(lo.Attrs().Index, f.all)); err != nil {
			if f.family == unix.AF_INET6 && isWithout(err) {
				continue
			}
			return explain("route", err)
		}
		if err := netlink.RuleAdd(l.rule(f.family)); err != nil && !errors.Is(err, unix.EEXIST) {
			return explain("rule", err)
		}
	}
	return nil
}

// Remove takes them back; what is not there is no error.
func (l Local) Remove() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("routing: lo: %w", err)
	}
	var all error
	for _, f := range families {
		for _, err := range []error{netlink.RuleDel(l.rule(f.family)), netlink.RouteDel(l.route(lo.Attrs().Index, f.all))} {
			if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ESRCH) && !isWithout(err) {
				all = errors.Join(all, explain("remove", err))
			}
		}
	}
	return all
}

// IsThere reports whether the rules and routes of all families that the system has exist.
func (l Local) IsThere() bool { return len(l.Missing()) == 0 }

// Missing lists the commands of iproute2 that add what is missing of the rules and routes, in all families that the system has.
func (l Local) Missing() (commands []string) {
	for _, f := range families {
		rules, err := netlink.RuleList(f.family)
		if err != nil && f.family == unix.AF_INET6 && isWithout(err) {
			continue
		}
		if err != nil || !slices.ContainsFunc(rules, func(r netlink.Rule) bool { return r.Mark == l.Mark && r.Table == l.Table }) {
			commands = append(commands, fmt.Sprintf("%s rule add fwmark %#x lookup %d priority %d", f.command, l.Mark, l.Table, l.Table))
		}
		routes, err := netlink.RouteListFiltered(f.family, &netlink.Route{Table: l.Table, Type: unix.RTN_LOCAL}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE)
		if err != nil || !slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.Dst == nil || isZero(r.Dst) }) {
			commands = append(commands, fmt.Sprintf("%s route add local %s dev lo table %d", f.command, f.all, l.Table))
		}
	}
	return commands
}

// isZero reports whether the network is that of all addresses.
func isZero(n *net.IPNet) bool { ones, _ := n.Mask.Size(); return ones == 0 }

func (l Local) rule(family int) *netlink.Rule {
	r := netlink.NewRule()
	r.Family, r.Mark, r.Table, r.Priority = family, l.Mark, l.Table, l.Table
	return r
}

func (l Local) route(device int, all string) *netlink.Route {
	_, network, _ := net.ParseCIDR(all)
	return &netlink.Route{LinkIndex: device, Dst: network, Table: l.Table, Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST}
}

func isWithout(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENODEV)
}

func explain(what string, err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("routing: %s: %w; run weir as root or with CAP_NET_ADMIN", what, err)
	}
	return fmt.Errorf("routing: %s: %w", what, err)
}
