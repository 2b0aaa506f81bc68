//go:build !linux

package netfilter

import (
	"errors"
	"net"
	"net/netip"
)

// Table is weir's own.
type Table struct{}

// Open fails: there is no nftables here.
func Open(config string) (*Table, error) { return nil, errors.New("nftables: only Linux has it") }

// Apply and Close are of a table that there cannot be.
func (t *Table) Apply(*Rules) error { return nil }
func (t *Table) Close() error       { return nil }

// Forwarding is the tables in which the kernel sends traffic on by itself.
type Forwarding struct{}

// OpenForwarding begins without services.
func OpenForwarding(kept, config string) *Forwarding { return &Forwarding{} }

// Apply fails where there is something to do.
func (f *Forwarding) Apply(services []Service) error {
	if len(services) == 0 {
		return nil
	}
	return errors.New("nftables: only Linux has it")
}

// The rest has nothing to do.
func (f *Forwarding) Count() (map[Way]Counted, error)                      { return nil, nil }
func (f *Forwarding) Flows() (map[Way]int, map[string]int, error)          { return nil, nil, nil }
func (f *Forwarding) CountRefused() (map[string]uint64, error)             { return nil, nil }
func (f *Forwarding) Restore() (bool, error)                               { return false, nil }
func (f *Forwarding) Close() error                                         { return nil }
func CanSendFrames(*net.Interface) error                                   { return nil }
func RunningWith(string) ([]int, error)                                    { return nil, nil }
func Inspect(Expected) ([]string, error)                                   { return nil, nil }
func Check([]Service, *Rules) error                                        { return nil }
func (f *Forwarding) End([]Connection) error                               { return nil }
func (f *Forwarding) EndFlows(func(netip.AddrPort, Way) bool) (int, error) { return 0, nil }
func ListKept() ([]Kept, error)                                            { return nil, nil }
func RemoveKept(string) error                                              { return errors.New("nftables: only Linux has it") }

// Probe knows nothing here.
func Probe(bool) (missing []string, err error) { return nil, errors.New("nftables: only Linux has it") }
