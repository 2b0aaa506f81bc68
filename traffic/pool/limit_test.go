package pool

import (
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func TestALimitIsExactOverAllLoops(t *testing.T) {
	const loops, slots, most, poolMost = 8, 8, 5, 12
	list := servers(4)
	for i := range list {
		list[i].MaxRequests = most
	}
	p := New(Config{Name: "p", Loops: loops, Servers: list, Limits: LimitConfig{Requests: poolMost}}, nil)
	under, all, over := [4]atomic.Int32{}, atomic.Int32{}, atomic.Bool{}
	place := map[*Server]int{}
	for i, s := range p.Set().Servers {
		place[s] = i
	}
	var group sync.WaitGroup
	refused := atomic.Int32{}
	for loop := range loops {
		group.Go(func() {
			var held [slots]Held
			var at [slots]*Server
			for i := range 20_000 {
				n := i % slots
				if s := at[n]; s != nil {
					under[place[s]].Add(-1)
					all.Add(-1)
					p.End(s, loop, int64(i), 100, OK)
					p.Settle(loop, s, &held[n])
				}
				at[n] = nil
				if i >= 20_000-slots {
					continue
				}
				s, _ := p.Admit(loop, int64(i), uint64(i), nil, false, &held[n])
				if at[n] = s; s == nil {
					refused.Add(1)
					runtime.Gosched()
				} else if a, b := under[place[s]].Add(1), all.Add(1); a > most || b > poolMost {
					over.Store(true)
				}
			}
		})
	}
	group.Wait()
	if over.Load() {
		t.Errorf("more than %d of a server or %d of the pool were under way", most, poolMost)
	}
	if refused.Load() == 0 {
		t.Error("nothing was refused: the test shows nothing")
	}
	if n := p.shared.requests.used.Load(); n != 0 {
		t.Errorf("%d places were not given back", n)
	}
}

func TestALimitHoldsFor(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, policy string) {
		list := servers(3)
		list[0].MaxRequests, list[1].MaxConnections, list[2].MaxRequests = 1, 2, 3
		p := New(Config{Loops: 1, Servers: list, Balance: BalanceConfig{Policy: policy}}, nil)
		held := [7]Held{}
		for i := range 6 {
			if s, why := p.Admit(0, 1, uint64(i), nil, false, &held[i]); s == nil {
				t.Fatalf("request %d: %v", i, why)
			}
		}
		if s, why := p.Admit(0, 1, 9, nil, false, &held[6]); why != Full {
			t.Errorf("the seventh of six got %v, %v", s, why)
		}
		for i, want := range []int32{1, 2, 3} {
			if n := p.Set().Servers[i].Load(0).InFlight; n != want {
				t.Errorf("server %d has %d, want %d", i, n, want)
			}
		}
	})
}

func TestAReloadKeepsWhatIsUnderWayCounted(t *testing.T) {
	cfg := Config{Loops: 1, Servers: servers(1)}
	cfg.Servers[0].MaxRequests = 1
	before := New(cfg, nil)
	var held, other Held
	s, _ := before.Admit(0, 1, 0, nil, false, &held)
	after := New(cfg, before)
	if _, why := after.Admit(0, 1, 0, nil, false, &other); why != Full {
		t.Fatalf("a second request of one after a reload: %v", why)
	}
	before.End(s, 0, 2, 100, OK)
	before.Settle(0, s, &held)
	if _, why := after.Admit(0, 1, 0, nil, false, &other); why != Picked {
		t.Fatalf("after the end of the first: %v", why)
	}
}

func TestAFullTierIsWaitedForAndABackupStaysOut(t *testing.T) {
	cfg := Config{Loops: 1, Servers: servers(2)}
	cfg.Servers[0].MaxRequests, cfg.Servers[1].Backup = 1, true
	p := New(cfg, nil)
	var held, other Held
	p.Admit(0, 1, 0, nil, false, &held)
	if s, why := p.Admit(0, 1, 0, nil, false, &other); why != Full {
		t.Errorf("got %v, %v", s, why)
	}
	p.Set().Servers[0].SetHealth(Down)
	if s, _ := p.Admit(0, 1, 0, nil, false, &other); s != p.Set().Servers[1] {
		t.Errorf("got %v, want the backup", s)
	}
}

// crowd is requests in a queue, and the order in which they are woken.
type crowd struct {
	t     *testing.T
	pool  *Pool
	woken []string
}

type waiting struct {
	Waiter
	crowd *crowd
	name  string
}

func (w *waiting) Wake() { w.crowd.woken = append(w.crowd.woken, w.name) }

func newCrowd(t *testing.T, q QueueConfig) *crowd {
	cfg := Config{Loops: 2, Servers: servers(1), Queue: q}
	cfg.Servers[0].MaxRequests = 1
	return &crowd{t: t, pool: New(cfg, nil)}
}

func (c *crowd) come(now int64, client string, class Class, name string) (*waiting, Reason) {
	w := &waiting{Waiter: Waiter{Client: netip.MustParseAddr(client), Class: class}, crowd: c, name: name}
	w.Waiter.Wake = w
	return w, c.pool.Enqueue(0, now, &w.Waiter)
}

func (c *crowd) want(names ...string) {
	c.t.Helper()
	for i, name := range names {
		c.pool.WakeNext(0, 1)
		if len(c.woken) <= i || c.woken[i] != name {
			c.t.Fatalf("woken: %v, want %v", c.woken, names)
		}
	}
	if c.pool.WakeNext(0, 1); len(c.woken) != len(names) {
		c.t.Fatalf("woken: %v, want %v", c.woken, names)
	}
}

func TestAQueueGoesRoundTheClientsAndByClass(t *testing.T) {
	c := newCrowd(t, QueueConfig{})
	for _, name := range []string{"a1", "a2", "a3"} {
		c.come(1, "10.0.0.1", Default, name)
	}
	c.come(1, "10.0.0.9", Sheddable, "late")
	c.come(1, "10.0.0.2", Default, "b1")
	gone, _ := c.come(1, "10.0.0.4", Default, "gone")
	c.come(1, "10.0.0.3", Default, "c1")
	c.come(1, "10.0.0.2", Default, "b2")
	c.come(1, "10.0.0.9", Critical, "first")
	c.pool.Leave(0, 1, &gone.Waiter, Left)
	c.want("first", "a1", "b1", "c1", "a2", "b2", "a3", "late")
}

func TestOneThatWasWokenInVainGoesFirstAgain(t *testing.T) {
	c := newCrowd(t, QueueConfig{})
	a, _ := c.come(1, "10.0.0.1", Default, "a")
	c.come(1, "10.0.0.2", Default, "b")
	c.pool.WakeNext(0, 1)
	c.pool.Requeue(0, &a.Waiter)
	c.want("a", "a", "b")
}

func TestAFullQueueKeepsWhoMattersMoreAndWhoHasLess(t *testing.T) {
	c := newCrowd(t, QueueConfig{Length: 4})
	var many [4]*waiting
	for i := range many {
		many[i], _ = c.come(1, "10.0.0.1", Default, "many")
	}
	if _, why := c.come(1, "10.0.0.1", Default, "a fifth"); why != Full {
		t.Errorf("a fifth request of the client that fills the queue: %v", why)
	}
	if _, why := c.come(1, "10.0.0.2", Default, "another"); why != Picked || !many[3].Shed {
		t.Errorf("another client's first request: %v; the other's last is shed: %v", why, many[3].Shed)
	}
	if _, why := c.come(1, "10.0.0.3", Sheddable, "sheddable"); why != Full {
		t.Errorf("a sheddable request: %v", why)
	}
	if _, why := c.come(1, "10.0.0.1", Critical, "critical"); why != Picked {
		t.Errorf("a critical request: %v", why)
	}
	if n := c.pool.shared.waiting.used.Load(); n != 4 {
		t.Errorf("%d wait, want 4", n)
	}
	if got := c.pool.loops[0].Shed; got != [classCount]uint64{0, 3, 1} {
		t.Errorf("shed by class: %v", got)
	}
}

func TestWhoWouldWaitTooLongIsShedAtOnce(t *testing.T) {
	c := newCrowd(t, QueueConfig{Wait: 1000})
	now := int64(0)
	for i := range 100 {
		c.come(now, netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}).String(), Default, "")
	}
	for range 20 { // 20 ms each: the 80 others take 1.6 s
		now += 20
		c.pool.WakeNext(0, now)
	}
	for class, want := range []Reason{Critical: Picked, Default: Shed, Sheddable: Shed} {
		if _, why := c.come(now, "10.0.0.1", Class(class), ""); why != want {
			t.Errorf("%v: %v, want %v", Class(class), why, want)
		}
	}
	for range 60 {
		now += 20
		c.pool.WakeNext(0, now)
	}
	if _, why := c.come(now, "10.0.0.1", Default, ""); why != Picked {
		t.Errorf("with 20 before it: %v", why)
	}
}

// A client that fills the queue again and again and leaves does not get others shed, neither while it does so nor afterwards.
func TestAClientThatFillsTheQueueAndLeavesGetsNobodyShed(t *testing.T) {
	c := newCrowd(t, QueueConfig{Wait: 1000})
	p := c.pool
	now := int64(0)
	polite := func(when string) {
		t.Helper()
		w, why := c.come(now, "10.9.0.1", Default, "polite")
		if why != Picked {
			t.Fatalf("%d ms, %s: a client with one request gets %v", now, when, why)
		}
		p.Leave(0, now, &w.Waiter, WaitedTooLong)
	}
	attack := func(address byte) *waiting {
		w, why := c.come(now, netip.AddrFrom4([4]byte{10, 0, 1, address}).String(), Default, "attack")
		if why != Picked && why != Shed && why != Full {
			t.Fatal(why)
		}
		return w
	}
	leave := func(w *waiting) {
		if w.IsInLine() {
			p.Leave(0, now, &w.Waiter, Left)
		}
	}
	for range 10 { // a client by itself, whose requests leave all at once
		var all []*waiting
		for range 900 {
			all = append(all, attack(1))
		}
		for range 20 {
			now += 20
			polite("one client fills the queue")
		}
		for _, w := range all {
			leave(w)
		}
	}
	var all []*waiting
	for i := range 1000 { // many clients, each of whose requests leaves after 100 ms
		now++
		for range 5 {
			all = append(all, attack(byte(len(all)%50)))
		}
		if len(all) > 500 {
			for _, w := range all[len(all)-505 : len(all)-500] {
				leave(w)
			}
		}
		if i > 200 && i%10 == 0 {
			polite("many clients fill the queue")
		}
	}
	for _, w := range all {
		leave(w)
	}
	// The attack's last requests hold the servers for long, and nobody leaves the queue; then all of them are gone.
	holding := attack(1)
	now += 30_000
	leave(holding)
	for range 10 {
		other, _ := c.come(now, "10.9.0.2", Default, "another")
		polite("after the attack")
		p.WakeNext(0, now)
		p.Leave(0, now, &other.Waiter, Picked)
	}
}

// What goes before a client's request is one request of each other client for each of its own, not all that wait.
func TestHowManyGoBeforeAClientsRequest(t *testing.T) {
	c := newCrowd(t, QueueConfig{})
	for range 200 {
		c.come(1, "10.0.0.1", Default, "heavy")
	}
	for i := range 10 {
		c.come(1, netip.AddrFrom4([4]byte{10, 0, 2, byte(i)}).String(), Default, "light")
	}
	for range 3 {
		c.come(1, "10.0.0.3", Default, "medium")
	}
	q := c.pool.loops[0].queue
	for client, want := range map[string]int{"10.0.0.9": 12, "10.0.2.1": 12 + 2, "10.0.0.3": 12 + 2 + 2 + 1, "10.0.0.1": 213} {
		if n := q.ahead(netip.MustParseAddr(client), Default); n != want {
			t.Errorf("%s: %d go before it, expected %d", client, n, want)
		}
	}
}

func TestRoomGoesToALoopThatWaits(t *testing.T) {
	c := newCrowd(t, QueueConfig{})
	p := c.pool
	var held, other Held
	s, _ := p.Admit(1, 1, 0, nil, false, &held)
	w, _ := c.come(1, "10.0.0.1", Default, "a")
	p.End(s, 1, 1, 100, OK)
	if loop := p.Settle(1, s, &held); loop != 0 {
		t.Fatalf("loop %d is to be woken, want 0", loop)
	}
	if _, why := p.Admit(1, 1, 0, nil, false, &other); why != Full {
		t.Errorf("a newcomer got before who waits: %v", why)
	}
	if loop := p.WakeNext(0, 1); loop != -1 || len(c.woken) != 1 {
		t.Errorf("loop %d, woken %v", loop, c.woken)
	}
	if _, why := p.Admit(1, 1, 0, nil, false, &other); why != Full {
		t.Errorf("a newcomer got before who was woken: %v", why)
	}
	if s, why := p.Admit(0, 1, 0, nil, true, &held); s == nil {
		t.Errorf("who was woken: %v", why)
	}
	p.Leave(0, 1, &w.Waiter, Picked)
	if loop := p.WakeNext(0, 1); loop != -1 {
		t.Errorf("nobody waits, but loop %d is to be woken", loop)
	}
}
