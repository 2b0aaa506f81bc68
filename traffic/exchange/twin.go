package exchange

import (
	"fmt"
	"hash/maphash"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/message"
)

// twin holds the answers to a request and to its copy against each other.
type twin struct {
	sides   [2]digest // the client's, the shadow's
	ended   bool      // the client's exchange is over
	isWhole bool      // and the client has all of its answer
	end     engine.Signal
}

// digest is what of an answer is compared. The body is without its framing.
type digest struct {
	status int
	kind   string
	size   int64
	hash   maphash.Hash
}

func newTwin() *twin {
	t := &twin{}
	t.sides[1].hash.SetSeed(t.sides[0].hash.Seed())
	return t
}

// side is the digest of x's own answer.
func (x *Exchange) side() *digest {
	if x.session.shadow != nil {
		return &x.request.twin.sides[1]
	}
	return &x.request.twin.sides[0]
}

// noteHead begins with the answer's head and the part of its body that came along.
func (x *Exchange) noteHead(data []byte) {
	d := x.side()
	d.status, d.kind, d.size = x.response.status, string(x.response.head.Get(message.FieldContentType)), 0
	d.hash.Reset()
	x.noteBody(data)
}

func (x *Exchange) noteBody(data []byte) {
	d := x.side()
	d.size += int64(len(data))
	d.hash.Write(data)
}

// endTwin tells the shadow that the client's answer is over.
func (x *Exchange) endTwin() {
	t := x.request.twin
	x.request.twin = nil
	t.ended = true
	t.isWhole = x.response.body.ended
	x.at.loop.Fire(&t.end)
}

// difference says in what the shadow's answer is not the client's; "" if in nothing.
func (t *twin) difference() string {
	want, got := &t.sides[0], &t.sides[1]
	switch {
	case want.status != got.status:
		return fmt.Sprintf("status %d, not %d", got.status, want.status)
	case want.kind != got.kind:
		return fmt.Sprintf("Content-Type %.80q, not %.80q", got.kind, want.kind)
	case want.size != got.size:
		return fmt.Sprintf("body of %d bytes, not %d", got.size, want.size)
	case want.hash.Sum64() != got.hash.Sum64():
		return fmt.Sprintf("body of %d other bytes", got.size)
	}
	return ""
}
