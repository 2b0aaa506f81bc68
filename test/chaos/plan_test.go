package chaos

import (
	"fmt"
	"math/rand/v2"
	"net"
	"time"
)

// A plan is all that happens in an exchange. Both sides derive it from the exchange's number.
type plan struct {
	id    uint64
	pool  string
	loose bool // the server may misbehave

	// The request.
	method        string
	size          int
	chunked       bool
	http10, close bool
	expect        bool

	// The answer.
	status    int
	answer    int
	framing   framing
	interim   int
	when      moment
	fault     fault
	faultAt   float64 // share of the answer that goes out before the fault
	keep      keep
	poison    bool // bytes nobody asked for follow the answer
	continued bool // the server sends 100 when it was asked to
}

type framing int

const (
	byLength framing = iota
	byChunks
	byClose
)

type moment int

const (
	afterBody moment = iota
	beforeBody
	amidBody
	insteadOfBody // answers and closes: the body is never read
)

type fault int

const (
	noFault fault = iota
	closing
	resetting
)

type keep int

const (
	keeps keep = iota
	announces
	closesSilently
)

var sizes = []int{0, 1, 4095, 4096, 4097, 16<<10 - 1, 16 << 10, 16<<10 + 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20}

func size(r *rand.Rand) int {
	if r.IntN(3) == 0 {
		return r.IntN(2000)
	}
	n := sizes[r.IntN(len(sizes))]
	if n == 1<<20 && r.IntN(3) > 0 {
		return 100
	}
	return n
}

// goroutines is where the seeds for the engine on goroutines begin.
const goroutines = 1 << 50

func planOf(pool string, id uint64) *plan {
	r := rand.New(rand.NewPCG(id, 1))
	p := &plan{id: id, pool: pool, loose: pool == "bad" || pool == "badtls"}
	p.method = []string{"GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "PATCH", "PURGE"}[r.IntN(10)]
	p.http10, p.close = r.IntN(12) == 0, r.IntN(12) == 0
	if p.method != "GET" && p.method != "HEAD" && r.IntN(5) > 0 {
		p.size = size(r)
		p.chunked = !p.http10 && r.IntN(2) == 0
		p.expect = !p.http10 && p.size > 0 && r.IntN(8) == 0
	}
	p.status = []int{200, 200, 200, 200, 201, 204, 304, 404, 500}[r.IntN(9)]
	p.answer = size(r)
	p.framing = []framing{byLength, byLength, byChunks, byChunks, byClose}[r.IntN(5)]
	if r.IntN(10) == 0 {
		p.interim = 1 + r.IntN(2)
	}
	if r.IntN(5) == 0 {
		p.when = []moment{beforeBody, amidBody}[r.IntN(2)]
	}
	p.continued = r.IntN(8) > 0
	p.keep = []keep{keeps, keeps, keeps, announces}[r.IntN(4)]
	if p.loose {
		switch r.IntN(6) {
		case 0, 1:
			p.fault = []fault{closing, resetting}[r.IntN(2)]
			p.faultAt = []float64{0, 0.001, r.Float64(), r.Float64()}[r.IntN(4)]
		case 2:
			p.keep = closesSilently
		case 3:
			// On goroutines nobody can look at a socket without waiting, so what comes unasked may be seen too late.
			p.poison = id < goroutines*8 && (p.framing != byClose || p.body() == nil)
		case 4:
			p.when = insteadOfBody
		}
	}
	if p.framing == byClose && p.keep == keeps && p.body() != nil {
		p.keep = closesSilently
	}
	return p
}

func (p *plan) target() string { return fmt.Sprintf("/%s/%d", p.pool, p.id) }

func (p *plan) request() []byte { return pattern(p.id, p.size) }

// body is what the answer carries, for a method that lets it.
func (p *plan) body() []byte {
	if p.method == "HEAD" || p.status == 204 || p.status == 304 {
		return nil
	}
	return pattern(p.id^0x5555555555555555, p.answer)
}

// noise is what bodies are cut from: no two places of it are alike.
var noise = func() []byte {
	b := make([]byte, 3<<20)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(b)
	return b
}()

func pattern(id uint64, n int) []byte {
	at := int(id * 2654435761 % (1 << 20))
	return noise[at : at+n]
}

// sendPieces writes b in random pieces with pauses between them.
func sendPieces(c net.Conn, b []byte, r *rand.Rand) error {
	pieces := 1
	if r.IntN(2) == 0 {
		pieces = 1 + r.IntN(6)
	}
	for ; pieces > 1 && len(b) > 1; pieces-- {
		n := 1 + r.IntN(len(b)-1)
		if r.IntN(3) == 0 {
			n = 1 + r.IntN(min(8, len(b)-1))
		}
		if _, err := c.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
		if r.IntN(2) == 0 {
			time.Sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
		}
	}
	_, err := c.Write(b)
	return err
}

// appendChunks frames body in chunks of random sizes, with an extension or a trailer now and then.
func appendChunks(b, body []byte, r *rand.Rand) []byte {
	for len(body) > 0 {
		n := len(body)
		if r.IntN(3) > 0 {
			n = 1 + r.IntN(len(body))
		}
		b = fmt.Appendf(b, "%x", n)
		if r.IntN(8) == 0 {
			b = append(b, ";a=b"...)
		}
		b = append(append(append(b, "\r\n"...), body[:n]...), "\r\n"...)
		body = body[n:]
	}
	b = append(b, "0\r\n"...)
	if r.IntN(8) == 0 {
		b = append(b, "X-Sum: 1\r\n"...)
	}
	return append(b, "\r\n"...)
}
