package netfilter

import (
	"fmt"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// parts is what of nftables the kernel may lack, by the name of its module.
var parts = []struct {
	Module string
	rule   []expr.Any
}{
	{"nft_socket", []expr.Any{&expr.Socket{Key: expr.SocketKeyTransparent, Register: 1}}},
	{"nft_tproxy", []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		toPort(1), &expr.TProxy{Family: unix.NFPROTO_IPV4, TableFamily: byte(nftables.TableFamilyINet), RegPort: 1}}},
	{"nft_redir", []expr.Any{toPort(1), &expr.Redir{RegisterProtoMin: 1, RegisterProtoMax: 1}}},
	{"nft_nat", []expr.Any{&expr.Immediate{Register: 1, Data: []byte{127, 0, 0, 1}}, &expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1}}},
	{"nft_masq", []expr.Any{&expr.Masq{}}},
	{"nft_reject_inet", []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}}, &expr.Reject{Type: 1}}},
	{"nft_ct", []expr.Any{&expr.Ct{Key: expr.CtKeySTATUS, Register: 1}}},
	{"nft_fib_inet", []expr.Any{&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true}}},
	{"nft_numgen", []expr.Any{&expr.Numgen{Register: 1, Modulus: 2, Type: unix.NFT_NG_RANDOM}}},
	{"nft_hash", []expr.Any{&expr.Payload{DestRegister: hashed, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4},
		&expr.Hash{SourceRegister: hashed, DestRegister: 1, Length: 4, Modulus: 2, Type: expr.HashTypeJenkins}}},
}

// directParts are those of direct return, whose tables are of another family.
var directParts = []struct {
	Module string
	rule   []expr.Any
}{
	{"nft_fwd_netdev", []expr.Any{&expr.Immediate{Register: 1, Data: native(1)}, &forwardTo{device: 1}}},
	{ResetOfDirect, rejectTCP()},
}

// ResetOfDirect is the module without which direct return drops the connections that it refuses, where it would reset them.
const ResetOfDirect = "nft_reject_netdev"

// Probe names the modules that the kernel lacks, of those that weir's rules need, with direct those of direct return as well. It puts each into a chain that nothing passes, in a table that is gone
// when it returns.
func Probe(direct bool) (missing []string, err error) {
	table, err := open(fmt.Sprintf("weir-%d-probe", os.Getpid()), "")
	if err != nil {
		return nil, err
	}
	defer table.Close()
	for _, p := range parts {
		b := newBatch(unix.NFPROTO_INET, table.name)
		b.addChain(p.Module, nil)
		b.addRule(p.Module, "", p.rule)
		if table.socket.commit(b) != nil {
			missing = append(missing, p.Module)
		}
	}
	if !direct {
		return missing, nil
	}
	for _, p := range directParts {
		b := newBatch(unix.NFPROTO_NETDEV, table.name)
		b.addTable(true, "")
		b.addChain(p.Module, nil)
		b.addRule(p.Module, "", p.rule)
		if table.socket.rehearse(b) != nil {
			missing = append(missing, p.Module)
		}
	}
	return missing, nil
}
