package pool

import (
	"fmt"
	"testing"
	"unsafe"
)

// eight is a pool of eight servers whose latencies are known.
func eight(policy string) *Pool {
	p := New(Config{Name: "p", Loops: 2, Servers: servers(8), Balance: BalanceConfig{Policy: policy}}, nil)
	for i, s := range p.Set().Servers {
		p.Begin(s, 0)
		p.End(s, 0, 1000, int64(100+i), OK)
	}
	return p
}

func servers(n int) []ServerConfig {
	var list []ServerConfig
	for i := range n {
		list = append(list, ServerConfig{Address: fmt.Sprintf("10.0.%d.%d:80", i/250, i%250+1)})
	}
	return list
}

func TestPickBeginEndDoNotAllocate(t *testing.T) {
	for _, policy := range Policies() {
		p, tried, key := eight(policy), new(Tried), uint64(0)
		allocations := testing.AllocsPerRun(1000, func() {
			key++
			s, _ := p.Pick(0, 1001, key, tried)
			p.Begin(s, 0)
			p.Budget(0).Deposit()
			p.End(s, 0, 1002, 100, OK)
		})
		if allocations != 0 {
			t.Errorf("%s: %v allocations", policy, allocations)
		}
	}
}

func TestLoadsOfLoopsShareNoCacheLine(t *testing.T) {
	p := New(Config{Loops: 64, Servers: servers(3)}, nil)
	for _, s := range p.Set().Servers {
		for i, load := range s.loads {
			if at := uintptr(unsafe.Pointer(load)); at%128 != 0 {
				t.Fatalf("loop %d: load at %#x is not aligned to 128", i, at)
			}
		}
	}
	if size := unsafe.Sizeof(Load{}); size%128 != 0 || size > 512 {
		t.Errorf("a Load is %d bytes: not a multiple of 128 up to 512", size)
	}
	if pad := unsafe.Sizeof(perLoop{}) - unsafe.Offsetof(perLoop{}.budget); pad < 128 {
		t.Errorf("a perLoop ends with %d bytes of its own", pad)
	}
}

func BenchmarkPick(b *testing.B) {
	for _, policy := range Policies() {
		b.Run(policy, func(b *testing.B) {
			p, key := eight(policy), uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				key += 0x9e3779b97f4a7c15
				p.Pick(0, 1001, key, nil)
			}
		})
	}
}

func BenchmarkBeginEnd(b *testing.B) {
	p := eight("")
	s, now := p.Set().Servers[0], int64(1001)
	b.ReportAllocs()
	for b.Loop() {
		p.Begin(s, 0)
		p.End(s, 0, now, 120, OK)
		now++
	}
}
