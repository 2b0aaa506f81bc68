package netfilter

import (
	"encoding/binary"
	"time"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// batch is a transaction of nf_tables, in the form that the kernel reads: it applies all of its messages or none. The nftables library is not used for it, because
// that asks for one answer per message, and an answer that finds no room in the socket's buffer looks like a refusal of what the kernel has committed.
type batch struct {
	bytes  []byte
	family byte   // of the table that the next messages are for
	table  string // its name
	last   int    // where the last message begins
	count  uint32
	sets   uint32
	err    error // of an expression that could not be encoded
}

const (
	familyHead  = 4        // bytes of nfgenmsg, which every message of netfilter begins with
	elementsMax = 48 << 10 // bytes of elements in one message: the length of an attribute has 16 bits
)

func newBatch(family byte, table string) *batch {
	b := &batch{family: family, table: table}
	b.message(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	return b
}

// isEmpty reports whether the batch has no message besides its beginning.
func (b *batch) isEmpty() bool { return b.count == 1 }

// finish ends the batch. Only the last message that changes something is acknowledged; errors of others are reported without being asked for.
func (b *batch) finish() []byte {
	b.withoutEnd()
	b.message(unix.NFNL_MSG_BATCH_END, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	b.close(b.last)
	return b.bytes
}

// withoutEnd is the batch as far as it is written, with an acknowledgement asked for.
func (b *batch) withoutEnd() []byte {
	flags := binary.NativeEndian.Uint16(b.bytes[b.last+6:])
	binary.NativeEndian.PutUint16(b.bytes[b.last+6:], flags|unix.NLM_F_ACK)
	b.close(b.last)
	return b.bytes
}

// message begins the next message and ends the one before.
func (b *batch) message(kind, flags uint16, family byte, resource uint16) {
	if b.count > 0 {
		b.close(b.last)
	}
	b.last = len(b.bytes)
	b.count++
	b.bytes = binary.NativeEndian.AppendUint32(b.bytes, 0)
	b.bytes = binary.NativeEndian.AppendUint16(b.bytes, kind)
	b.bytes = binary.NativeEndian.AppendUint16(b.bytes, flags|unix.NLM_F_REQUEST)
	b.bytes = binary.NativeEndian.AppendUint32(b.bytes, b.count)
	b.bytes = binary.NativeEndian.AppendUint32(b.bytes, 0)
	b.bytes = append(b.bytes, family, unix.NFNETLINK_V0)
	b.bytes = binary.BigEndian.AppendUint16(b.bytes, resource)
}

func (b *batch) close(message int) {
	binary.NativeEndian.PutUint32(b.bytes[message:], uint32(len(b.bytes)-message))
}

func (b *batch) do(kind, flags uint16) {
	b.message(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags, b.family, 0)
}

// nest begins an attribute that has others in it, until end.
func (b *batch) nest(kind uint16) (at int) {
	at = len(b.bytes)
	b.bytes = binary.NativeEndian.AppendUint16(b.bytes, 0)
	b.bytes = binary.NativeEndian.AppendUint16(b.bytes, kind|unix.NLA_F_NESTED)
	return at
}

func (b *batch) end(at int) {
	binary.NativeEndian.PutUint16(b.bytes[at:], uint16(len(b.bytes)-at))
}

func (b *batch) attribute(kind uint16, data []byte) {
	b.bytes = binary.NativeEndian.AppendUint16(b.bytes, uint16(4+len(data)))
	b.bytes = binary.NativeEndian.AppendUint16(b.bytes, kind)
	b.bytes = append(b.bytes, data...)
	for len(b.bytes)%4 != 0 {
		b.bytes = append(b.bytes, 0)
	}
}

func (b *batch) text(kind uint16, text string) { b.attribute(kind, append([]byte(text), 0)) }

func (b *batch) number(kind uint16, n uint32) {
	var data [4]byte
	binary.BigEndian.PutUint32(data[:], n)
	b.attribute(kind, data[:])
}

func (b *batch) long(kind uint16, n uint64) {
	var data [8]byte
	binary.BigEndian.PutUint64(data[:], n)
	b.attribute(kind, data[:])
}

// addTable creates the table. An owned one belongs to the socket that sends the batch, and goes with it. The comment is shown by nft.
func (b *batch) addTable(owned bool, comment string) {
	const owner, userdata, commentKind = 0x2, 0x6, 0
	b.do(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE)
	b.text(unix.NFTA_TABLE_NAME, b.table)
	if owned {
		b.number(unix.NFTA_TABLE_FLAGS, owner)
	}
	if comment != "" {
		comment = commentOf(comment)
		b.attribute(userdata, append([]byte{commentKind, byte(len(comment) + 1)}, append([]byte(comment), 0)...))
	}
}

// commentOf is what there is room for.
func commentOf(text string) string { return text[max(0, len(text)-commentMax):] }

// commentMax is the kernel's bound for the data that belongs to a table, less its head.
const commentMax = 120

func (b *batch) deleteTable() {
	b.do(unix.NFT_MSG_DELTABLE, 0)
	b.text(unix.NFTA_TABLE_NAME, b.table)
}

// hook is where a chain begins.
type hook struct {
	number   uint32
	priority int32
	kind     string
	device   string
}

func (b *batch) addChain(name string, at *hook) {
	b.do(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE)
	b.text(unix.NFTA_CHAIN_TABLE, b.table)
	b.text(unix.NFTA_CHAIN_NAME, name)
	if at == nil {
		return
	}
	n := b.nest(unix.NFTA_CHAIN_HOOK)
	b.number(unix.NFTA_HOOK_HOOKNUM, at.number)
	b.number(unix.NFTA_HOOK_PRIORITY, uint32(at.priority))
	if at.device != "" {
		b.text(unix.NFTA_HOOK_DEV, at.device)
	}
	b.end(n)
	const accept = 1
	b.number(unix.NFTA_CHAIN_POLICY, accept)
	b.text(unix.NFTA_CHAIN_TYPE, at.kind)
}

func (b *batch) deleteChain(name string) {
	b.do(unix.NFT_MSG_DELCHAIN, 0)
	b.text(unix.NFTA_CHAIN_TABLE, b.table)
	b.text(unix.NFTA_CHAIN_NAME, name)
}

// flushChain deletes the chain's rules.
func (b *batch) flushChain(name string) {
	b.do(unix.NFT_MSG_DELRULE, 0)
	b.text(unix.NFTA_RULE_TABLE, b.table)
	b.text(unix.NFTA_RULE_CHAIN, name)
}

// addRule appends a rule, with a tag by which it is known again when the table is read back.
func (b *batch) addRule(chain, tag string, list []expr.Any) {
	b.do(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND)
	b.text(unix.NFTA_RULE_TABLE, b.table)
	b.text(unix.NFTA_RULE_CHAIN, chain)
	n := b.nest(unix.NFTA_RULE_EXPRESSIONS)
	for _, e := range list {
		at := b.nest(unix.NFTA_LIST_ELEM)
		if own, is := e.(interface{ append(*batch) }); is {
			own.append(b)
		} else {
			data, err := expr.Marshal(b.family, e)
			if err != nil && b.err == nil {
				b.err = err
			}
			b.bytes = append(b.bytes, data...)
		}
		b.end(at)
	}
	b.end(n)
	const comment = 0
	b.attribute(unix.NFTA_RULE_USERDATA, append([]byte{comment, byte(len(tag) + 1)}, append([]byte(tag), 0)...))
}

// forwardTo sends a frame out by the interface whose index is in a register; the nftables library has no type for it.
type forwardTo struct {
	expr.Any
	device uint32 // register
}

func (f *forwardTo) append(b *batch) {
	b.text(unix.NFTA_EXPR_NAME, "fwd")
	n := b.nest(unix.NFTA_EXPR_DATA)
	b.number(unix.NFTA_FWD_SREG_DEV, f.device)
	b.end(n)
}

// originalDestination loads the address that a connection's first packet went to, whatever it was rewritten to. The nftables library leaves out the direction, without which the
// kernel refuses it.
type originalDestination struct {
	expr.Any
	register uint32
	is4      bool
}

func (o *originalDestination) append(b *batch) {
	const original, destination4, destination6 = 0, 20, 22 // NFT_CT_DST_IP, NFT_CT_DST_IP6
	b.text(unix.NFTA_EXPR_NAME, "ct")
	n := b.nest(unix.NFTA_EXPR_DATA)
	if o.is4 {
		b.number(unix.NFTA_CT_KEY, destination4)
	} else {
		b.number(unix.NFTA_CT_KEY, destination6)
	}
	b.number(unix.NFTA_CT_DREG, o.register)
	b.attribute(unix.NFTA_CT_DIRECTION, []byte{original})
	b.end(n)
}

// set is a set, or a map.
type set struct {
	name      string
	keyType   uint32   // of nft, which shows keys by it
	fields    []uint32 // bytes of each part of the key
	dataType  uint32   // 0: a set without data
	dataLen   uint32
	intervals bool // keys are ranges
	counts    bool // each element counts packets and bytes
	memory    bool // elements are added by packets, and time out
	timeout   time.Duration
	size      uint32
}

// types of nft, see its datatype.h.
const (
	typeVerdict, typeInteger, typeAddress4, typeAddress6, typeHardware, typeProtocol, typePort, typeMark = 0xffffff00, 4, 7, 8, 9, 12, 13, 19
	typeBits                                                                                             = 6
)

func typesOf(list ...uint32) (t uint32) {
	for _, one := range list {
		t = t<<typeBits | one
	}
	return t
}

func (s *set) keyLen() (n uint32) {
	if len(s.fields) == 1 {
		return s.fields[0]
	}
	for _, f := range s.fields {
		n += (f + 3) &^ 3
	}
	return n
}

func (b *batch) addSet(s *set) {
	const concatenated, concatFields, fieldLen, exprAttribute = 0x80, 2, 1, 0x11
	b.do(unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE)
	b.text(unix.NFTA_SET_TABLE, b.table)
	b.text(unix.NFTA_SET_NAME, s.name)
	b.sets++
	b.number(unix.NFTA_SET_ID, b.sets)
	flags := uint32(0)
	if s.intervals {
		flags |= unix.NFT_SET_INTERVAL
	}
	if s.memory {
		flags |= unix.NFT_SET_EVAL | unix.NFT_SET_TIMEOUT
	}
	if len(s.fields) > 1 {
		flags |= concatenated
	}
	if s.dataType != 0 {
		flags |= unix.NFT_SET_MAP
		b.number(unix.NFTA_SET_DATA_TYPE, s.dataType)
		if s.dataType != typeVerdict {
			b.number(unix.NFTA_SET_DATA_LEN, s.dataLen)
		}
	}
	b.number(unix.NFTA_SET_FLAGS, flags)
	b.number(unix.NFTA_SET_KEY_TYPE, s.keyType)
	b.number(unix.NFTA_SET_KEY_LEN, s.keyLen())
	if s.timeout != 0 {
		b.long(unix.NFTA_SET_TIMEOUT, uint64(s.timeout.Milliseconds()))
	}
	n := b.nest(unix.NFTA_SET_DESC)
	if s.size != 0 {
		b.number(unix.NFTA_SET_DESC_SIZE, s.size)
	}
	if len(s.fields) > 1 {
		list := b.nest(concatFields)
		for _, f := range s.fields {
			one := b.nest(unix.NFTA_LIST_ELEM)
			b.number(fieldLen, f)
			b.end(one)
		}
		b.end(list)
	}
	b.end(n)
	if s.counts {
		n := b.nest(exprAttribute)
		data, _ := expr.Marshal(b.family, &expr.Counter{})
		b.bytes = append(b.bytes, data...)
		b.end(n)
	}
	if len(s.fields) == 1 && s.keyType == typeInteger { // nft shows numbers in the byte order that this names
		const keyOrder, big = 0, 2
		b.attribute(unix.NFTA_SET_USERDATA, binary.NativeEndian.AppendUint32([]byte{keyOrder, 4}, big))
	}
}

func (b *batch) deleteSet(name string) {
	b.do(unix.NFT_MSG_DELSET, 0)
	b.text(unix.NFTA_SET_TABLE, b.table)
	b.text(unix.NFTA_SET_NAME, name)
}

// flushSet deletes all elements of a set.
func (b *batch) flushSet(name string) {
	b.do(unix.NFT_MSG_DELSETELEM, 0)
	b.text(unix.NFTA_SET_ELEM_LIST_TABLE, b.table)
	b.text(unix.NFTA_SET_ELEM_LIST_SET, name)
}

// element is one of a set. Keys and data are strings, so that elements can be compared.
type element struct {
	key, last string // from key to last; "": key alone
	ends      bool   // it only marks where the interval before it ends
	data      string
	chain     string // of a map of verdicts: where to go
	counted   Counter
}

// Counter is what an element has counted.
type Counter struct{ Packets, Bytes uint64 }

func (b *batch) addElements(set string, list []element) {
	b.elements(unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE, set, list)
}

func (b *batch) deleteElements(set string, list []element) {
	b.elements(unix.NFT_MSG_DELSETELEM, 0, set, list)
}

// elements writes as many messages as the elements need.
func (b *batch) elements(kind, flags uint16, set string, list []element) {
	const keyEnd = 10
	for len(list) > 0 {
		b.do(kind, flags)
		b.text(unix.NFTA_SET_ELEM_LIST_TABLE, b.table)
		b.text(unix.NFTA_SET_ELEM_LIST_SET, set)
		all := b.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		for len(list) > 0 && len(b.bytes)-all < elementsMax {
			e := &list[0]
			list = list[1:]
			one := b.nest(unix.NFTA_LIST_ELEM)
			if e.ends {
				b.number(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
			}
			b.value(unix.NFTA_SET_ELEM_KEY, e.key)
			if e.last != "" {
				b.value(keyEnd, e.last)
			}
			if kind == unix.NFT_MSG_NEWSETELEM && !e.ends {
				b.elementData(e)
			}
			b.end(one)
		}
		b.end(all)
	}
}

func (b *batch) elementData(e *element) {
	switch {
	case e.chain != "":
		data := b.nest(unix.NFTA_SET_ELEM_DATA)
		verdict := b.nest(unix.NFTA_DATA_VERDICT)
		b.number(unix.NFTA_VERDICT_CODE, gotoCode)
		b.text(unix.NFTA_VERDICT_CHAIN, e.chain)
		b.end(verdict)
		b.end(data)
	case e.data != "":
		b.value(unix.NFTA_SET_ELEM_DATA, e.data)
	}
}

const gotoCode = 0xfffffffc // NFT_GOTO, -4

func (b *batch) value(kind uint16, data string) {
	n := b.nest(kind)
	b.attribute(unix.NFTA_DATA_VALUE, []byte(data))
	b.end(n)
}
