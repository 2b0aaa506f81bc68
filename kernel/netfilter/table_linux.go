package netfilter

import (
	"errors"
	"fmt"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Table is weir's own. Used by one goroutine at a time.
type Table struct {
	conn  *nftables.Conn
	table *nftables.Table
	nat   *nftables.Chain // redirects
	route *nftables.Chain // marks, and TPROXY
}

// Open makes an empty table. It needs CAP_NET_ADMIN, which the error says.
func Open() (*Table, error) {
	t := &Table{table: &nftables.Table{Name: fmt.Sprintf("weir-%d", os.Getpid()), Family: nftables.TableFamilyINet}}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(t.own))
	if err != nil {
		return nil, explain(err)
	}
	t.conn = conn
	accept := nftables.ChainPolicyAccept
	t.nat = &nftables.Chain{Name: "redirect", Table: t.table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPrerouting,
		Priority: nftables.ChainPriorityNATDest, Policy: &accept}
	t.route = &nftables.Chain{Name: "divert", Table: t.table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookPrerouting,
		Priority: nftables.ChainPriorityMangle, Policy: &accept}
	return t, nil
}

// own creates the table as one that belongs to the socket, which the library has no call for: NFT_TABLE_F_OWNER (Linux 5.12).
func (t *Table) own(c *netlink.Conn) error {
	const owner = 0x2
	attributes, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: append([]byte(t.table.Name), 0)},
		{Type: unix.NFTA_TABLE_FLAGS, Data: []byte{0, 0, 0, owner}},
	})
	if err != nil {
		return err
	}
	batch := func(kind netlink.HeaderType) netlink.Message {
		return netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request}, Data: []byte{0, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}}
	}
	_, err = c.SendMessages([]netlink.Message{
		batch(unix.NFNL_MSG_BATCH_BEGIN),
		{
			Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWTABLE, Flags: netlink.Request | netlink.Acknowledge | netlink.Create},
			Data:   append([]byte{byte(t.table.Family), unix.NFNETLINK_V0, 0, 0}, attributes...),
		},
		batch(unix.NFNL_MSG_BATCH_END),
	})
	if err == nil {
		_, err = c.Receive()
	}
	return err
}

// Apply makes the table hold these rules and no others, all at once. Connections that are established are not touched.
func (t *Table) Apply(r *Rules) error {
	t.conn.AddChain(t.nat)
	t.conn.AddChain(t.route)
	t.conn.FlushChain(t.nat)
	t.conn.FlushChain(t.route)
	if r.Routes() {
		t.borrowed(r.Mark)
	}
	for i := range r.Captures {
		c := &r.Captures[i]
		if c.Keep {
			t.keep(c, r.Mark)
		} else {
			t.redirect(c)
		}
	}
	return explain(t.conn.Flush())
}

// borrowed marks packets of connections whose socket has another machine's address, before a capture could take them for new ones.
func (t *Table) borrowed(mark uint32) {
	for _, protocol := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
		list := metaIs(expr.MetaKeyL4PROTO, []byte{protocol})
		list = append(list,
			&expr.Socket{Key: expr.SocketKeyWildcard, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{0}}, // a listening socket has taken nothing yet
			&expr.Socket{Key: expr.SocketKeyTransparent, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{1}})
		list = append(list, setMark(mark)...)
		t.add(t.route, append(list, &expr.Verdict{Kind: expr.VerdictAccept}))
	}
}

func (t *Table) redirect(c *Capture) {
	const specified = 0x2 // NF_NAT_RANGE_PROTO_SPECIFIED
	c.each(func(w where) {
		list := w.match(c.protocol(), w.family())
		t.add(t.nat, append(list, &expr.Counter{}, toPort(c.Listener), &expr.Redir{RegisterProtoMin: 1, RegisterProtoMax: 1, Flags: specified}))
	})
}

func (t *Table) keep(c *Capture, mark uint32) {
	c.each(func(w where) {
		for _, family := range []byte{unix.NFPROTO_IPV4, unix.NFPROTO_IPV6} {
			if only := w.family(); only != 0 && only != family {
				continue
			}
			list := append(w.match(c.protocol(), family), &expr.Counter{}, toPort(c.Listener),
				&expr.TProxy{Family: family, TableFamily: byte(nftables.TableFamilyINet), RegPort: 1})
			list = append(list, setMark(mark)...)
			t.add(t.route, append(list, &expr.Verdict{Kind: expr.VerdictAccept}))
		}
	})
}

func (c *Capture) protocol() byte {
	if c.UDP {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

func (t *Table) add(chain *nftables.Chain, list []expr.Any) {
	t.conn.AddRule(&nftables.Rule{Table: t.table, Chain: chain, Exprs: list})
}

// Close removes the table.
func (t *Table) Close() error { return t.conn.CloseLasting() }

// explain says what to do about what the kernel says.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("nftables: %w; run weir as root or with CAP_NET_ADMIN", err)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOENT), errors.Is(err, unix.EPROTONOSUPPORT):
		return fmt.Errorf("nftables: %w; this kernel lacks a part of nftables (table owners, socket, tproxy, redir or nat)", err)
	}
	return fmt.Errorf("nftables: %w", err)
}
