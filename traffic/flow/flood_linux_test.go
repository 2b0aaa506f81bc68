package flow

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
)

// rush takes what clients send, and has new ones send more each time. It takes so long that the loop stays behind.
type rush struct {
	engine.PacketHandler
	driver  *Driver
	loop    *engine.Loop
	clients []*net.UDPConn
	isOn    bool
	turn    int64
	opened  uint64 // before the turn
	most    uint64 // that have begun in a turn, once clients were skipped
}

func (r *rush) Packets(s *engine.PacketSocket, packets []engine.Packet) {
	if r.isOn {
		for i := range 64 {
			r.clients[i].Write([]byte("x"))
		}
		r.clients = append(r.clients[64:len(r.clients):len(r.clients)], r.clients[:64]...)
		time.Sleep(5 * time.Millisecond)
	}
	if now := r.loop.Micros(); now != r.turn {
		r.turn, r.opened = now, r.driver.Stats(0).Opened
	}
	r.PacketHandler.Packets(s, packets)
	if st := r.driver.Stats(0); st.Reasons[reason.FlowFlooded] > 0 {
		r.most = max(r.most, st.Opened-r.opened)
	}
}

// When more datagrams come than are taken, few flows begin in a turn of the loop, and the flows that stand are served all the same.
func TestAFloodOfNewClientsIsShed(t *testing.T) {
	e, err := engine.New(engine.Config{Loops: 1, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	l := e.Loops()[0]
	servers := pool.New(pool.Config{Name: "servers", Loops: 1, Eject: pool.EjectConfig{Off: true}, Servers: []pool.ServerConfig{{Address: serve(t, echo)}}}, nil)
	setup := &Setup{Listener: "test", To: &site.Destination{Pool: servers, Transport: &transport.Config{}, Loops: make([]site.DestinationLoop, 1)}, Idle: time.Minute, Most: 10_000}
	driver := NewDriver(e, []*accesslog.Ring{accesslog.NewRing(1 << 16)})
	rushing := &rush{driver: driver, loop: l}
	ln, err := e.ListenPackets(engine.Address{IP: netip.MustParseAddrPort("127.0.0.1:0"), IsDatagram: true}, engine.ListenConfig{}, func(l *engine.Loop) engine.PacketHandler {
		rushing.PacketHandler = driver.NewFlows(setup).On(l)
		return rushing
	})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	to := net.UDPAddrFromAddrPort(ln.Address.IP)
	dial := func() *net.UDPConn {
		c, err := net.DialUDP("udp", nil, to)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	known := dial()
	known.SetDeadline(time.Now().Add(20 * time.Second))
	ask := func() {
		if _, err := known.Write([]byte("known")); err != nil {
			t.Fatal(err)
		}
		if _, err := known.Read(make([]byte, 10)); err != nil {
			t.Fatalf("a client that was there has no answer: %v", err)
		}
	}
	ask()
	var clients []*net.UDPConn
	for range 1200 {
		clients = append(clients, dial())
	}
	rushing.clients = clients
	l.Call(func() { rushing.isOn = true })
	known.Write([]byte("x"))
	var got Stats
	for by := time.Now().Add(10 * time.Second); got.Reasons[reason.FlowFlooded] == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(by) {
			t.Fatal("no new client is skipped")
		}
		l.Call(func() { got = driver.Stats(0) })
	}
	l.Call(func() {
		rushing.isOn = false
		if rushing.most > beginsFlooded {
			t.Errorf("%d flows begin in a turn, expected at most %d", rushing.most, beginsFlooded)
		}
	})
	for known.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); ; { // the answers to the flood
		if _, err := known.Read(make([]byte, 10)); err != nil {
			break
		}
	}
	known.SetDeadline(time.Now().Add(20 * time.Second))
	ask()
	l.Call(func() { driver.Cut(0, nil) })
	time.Sleep(2 * sweepEvery) // the sweeps end
}
