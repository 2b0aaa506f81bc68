package acme

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Of the key that signs updates.
const (
	tsigName   = "weir."
	tsigSecret = "c2VjcmV0IG9mIHRoZSB0ZXN0cyBvZiB3ZWlyIQ=="
)

// zone is a DNS server for example.com: every name is 127.0.0.1, and text records come by signed updates.
type zone struct {
	address string
	mu      sync.Mutex
	texts   map[string][]dns.RR
	updates int
}

func startZone(t *testing.T) *zone {
	t.Helper()
	packets, streams := onePort(t)
	z := &zone{address: packets.LocalAddr().String(), texts: map[string][]dns.RR{}}
	for _, s := range []*dns.Server{{PacketConn: packets, Handler: z}, {Listener: streams, Handler: z}} {
		s.TsigSecret = map[string]string{tsigName: tsigSecret}
		s.MsgAcceptFunc = func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }
		go s.ActivateAndServe()
		t.Cleanup(func() { s.Shutdown() })
	}
	return z
}

// onePort finds a port that is free for both.
func onePort(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 50 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if streams, err := net.Listen("tcp", packets.LocalAddr().String()); err == nil {
			return packets, streams
		}
		packets.Close()
	}
	t.Fatal("no port is free for UDP and TCP")
	return nil, nil
}

// ServeDNS answers a question or takes an update.
func (z *zone) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(r)
	m.Authoritative = true
	z.mu.Lock()
	defer z.mu.Unlock()
	if r.Opcode == dns.OpcodeUpdate {
		z.update(w, r, m)
	} else {
		z.answer(m, r.Question[0])
	}
	w.WriteMsg(m)
}

func (z *zone) update(w dns.ResponseWriter, r, m *dns.Msg) {
	if r.IsTsig() == nil || w.TsigStatus() != nil || r.Question[0].Name != "example.com." {
		m.Rcode = dns.RcodeRefused
		return
	}
	z.updates++
	for _, rr := range r.Ns {
		name := strings.ToLower(rr.Header().Name)
		if rr.Header().Class == dns.ClassINET {
			z.texts[name] = append(z.texts[name], rr)
			continue
		}
		var left []dns.RR
		for _, has := range z.texts[name] {
			if has.(*dns.TXT).Txt[0] != rr.(*dns.TXT).Txt[0] {
				left = append(left, has)
			}
		}
		z.texts[name] = left
	}
	m.SetTsig(tsigName, dns.HmacSHA256, 300, time.Now().Unix())
}

func (z *zone) answer(m *dns.Msg, q dns.Question) {
	head := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 1}
	soa := &dns.SOA{Hdr: dns.RR_Header{Name: "example.com.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 1}, Ns: "ns.example.com.", Mbox: "a.example.com.", Minttl: 1}
	switch name := strings.ToLower(q.Name); {
	case q.Qtype == dns.TypeA:
		m.Answer = []dns.RR{&dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 1)}}
	case q.Qtype == dns.TypeTXT:
		m.Answer = z.texts[name]
	case q.Qtype == dns.TypeSOA && name == "example.com.":
		m.Answer = []dns.RR{soa}
	default:
		m.Ns = []dns.RR{soa}
	}
}

// left is how many text records were never taken away.
func (z *zone) left() (n int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, list := range z.texts {
		n += len(list)
	}
	return n
}
