package snapshot

import (
	"slices"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/kernel/netfilter"
	"github.com/weir-proxy/weir/traffic/pool"
)

// Forward is a listener whose connections the kernel carries.
type Forward struct {
	Listener string
	UDP      bool
	Address  []config.Address // an invalid IP: every address of this machine
	Pool     *pool.Pool
	Hash     bool   // a client stays with its server
	ByHost   bool   // and with its host in other pools of the persistence group
	Hide     bool   // servers see this machine
	Device   string // of direct return; "" for NAT
	Keep     bool   // what the kernel does goes on after weir
	Access   netfilter.Access
}

// Mode is that of the pool: nat or direct.
func (f *Forward) Mode() string {
	if f.Device != "" {
		return "direct"
	}
	return "nat"
}

// forward notes a listener that opens no socket; false if weir carries its connections itself.
func (b *builder) forward(l *config.Listener) bool {
	p := b.cfg.Pool(l.Pool)
	if l.IsHTTP() || p == nil || !p.IsForwarded() {
		return false
	}
	f := Forward{Listener: l.Name, UDP: l.Protocol == "udp", Pool: b.out.Destinations[p.Name].Pool, Hide: p.SNAT, Keep: p.OnStop == "keep"}
	f.Hash = p.IsHashed()
	if p.Mode == "direct" {
		f.Device = p.Interface
	}
	f.ByHost = p.Persistence != nil && p.Persistence.Group != ""
	f.Address = l.Address
	f.Access = netfilter.Access{Allow: l.Allow, Deny: l.Deny}
	b.out.Forwards = append(b.out.Forwards, f)
	return true
}

// own finds the addresses that weir itself listens on and that a service of all addresses would take from it: a socket that is bound to one address comes before those bound to all.
func (b *builder) own() {
	for i := range b.out.Listeners {
		l := &b.out.Listeners[i]
		for _, a := range l.Addresses {
			at := netfilter.Listen{UDP: a.IsDatagram, IP: a.IP.Addr().Unmap(), Ports: netfilter.PortRange{First: a.IP.Port(), Last: a.IP.Port()}}
			if a.Path != "" || !at.IP.IsValid() || at.IP.IsUnspecified() {
				continue
			}
			b.keepOwn(at)
			if l.Setup.QUIC {
				at.UDP = true
				b.keepOwn(at)
			}
		}
	}
}

func (b *builder) keepOwn(at netfilter.Listen) {
	for i := range b.out.Forwards {
		f := &b.out.Forwards[i]
		for _, a := range f.Address {
			if f.UDP == at.UDP && f.Device == "" && (!a.IP.IsValid() || a.IP.IsUnspecified()) && a.First <= at.Ports.First && at.Ports.First <= a.Last && !slices.Contains(b.out.Own, at) {
				b.out.Own = append(b.out.Own, at)
			}
		}
	}
}
