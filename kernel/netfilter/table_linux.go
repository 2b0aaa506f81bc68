package netfilter

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Table is weir's own. Used by one goroutine at a time.
type Table struct {
	socket *socket
	name   string
	batch  *batch // of the transaction that is being written
}

// The chains of the table.
const redirectChain, divertChain = "redirect", "divert"

// Open makes an empty table, which belongs to the process. config is the configuration's file, which RunningWith goes by. It needs CAP_NET_ADMIN, which the error says.
func Open(config string) (*Table, error) { return open(fmt.Sprintf("weir-%d", os.Getpid()), config) }

func open(name, config string) (*Table, error) {
	s, err := openSocket()
	if err != nil {
		return nil, explain(err)
	}
	t := &Table{socket: s, name: name}
	b := newBatch(unix.NFPROTO_INET, name)
	b.addTable(true, config)
	if err := s.commit(b); err != nil {
		s.close()
		return nil, explain(err)
	}
	return t, nil
}

// Apply makes the table hold these rules and no others, all at once. Connections that are established are not touched.
func (t *Table) Apply(r *Rules) error {
	t.batch = newBatch(unix.NFPROTO_INET, t.name)
	t.write(r)
	return explain(t.socket.commit(t.batch))
}

// write writes the chains, empties them and fills them with these rules.
func (t *Table) write(r *Rules) {
	t.batch.addChain(redirectChain, &hook{unix.NF_INET_PRE_ROUTING, destinationPriority, "nat", ""})
	t.batch.addChain(divertChain, &hook{unix.NF_INET_PRE_ROUTING, manglePriority, "filter", ""})
	t.batch.flushChain(redirectChain)
	t.batch.flushChain(divertChain)
	if r.Routes() {
		if r.Borrowed {
			t.doors(r.Mark)
		}
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
}

const manglePriority = -150

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
		t.add(divertChain, append(list, &expr.Verdict{Kind: expr.VerdictAccept}))
	}
}

// doors does the same for connections that come to a listening socket with another machine's address, such as a port for FTP's data connections. The socket of a handshake that is
// not over cannot be told from others, so that the connection carries the mark from its first packet on.
func (t *Table) doors(mark uint32) {
	const flags, synchronize = 0x17, 0x02 // FIN, SYN, RST and ACK
	tcp := metaIs(expr.MetaKeyL4PROTO, []byte{unix.IPPROTO_TCP})
	first := slices.Concat(tcp, []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{flags}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{synchronize}},
		&expr.Socket{Key: expr.SocketKeyWildcard, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{0}},
		&expr.Socket{Key: expr.SocketKeyTransparent, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{1}},
		&expr.Immediate{Register: 1, Data: native(mark)},
		&expr.Ct{Key: expr.CtKeyMARK, Register: 1, SourceRegister: true},
	}, setMark(mark), []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}})
	t.add(divertChain, first)
	t.add(divertChain, slices.Concat(tcp, []expr.Any{
		&expr.Ct{Key: expr.CtKeyMARK, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: native(mark)},
		&expr.Ct{Key: expr.CtKeyDIRECTION, Register: 1},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{reply}},
	}, setMark(mark), []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}))
}

func (t *Table) redirect(c *Capture) {
	const specified = 0x2 // NF_NAT_RANGE_PROTO_SPECIFIED
	c.each(func(w where) {
		list := w.match(c.protocol(), w.family())
		t.add(redirectChain, append(list, &expr.Counter{}, toPort(c.Listener), &expr.Redir{RegisterProtoMin: 1, RegisterProtoMax: 1, Flags: specified}))
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
			t.add(divertChain, append(list, &expr.Verdict{Kind: expr.VerdictAccept}))
		}
	})
}

func (c *Capture) protocol() byte {
	if c.UDP {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

func (t *Table) add(chain string, list []expr.Any) { t.batch.addRule(chain, "", list) }

// Close removes the table.
func (t *Table) Close() error { return t.socket.close() }

// explain says what to do about what the kernel says.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("nftables: %w; run weir as root or with CAP_NET_ADMIN", err)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOENT), errors.Is(err, unix.EPROTONOSUPPORT):
		return fmt.Errorf("nftables: %w; this kernel lacks a part of nftables; weir doctor names it", err)
	}
	return fmt.Errorf("nftables: %w", err)
}
