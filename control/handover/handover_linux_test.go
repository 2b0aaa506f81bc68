package handover

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"reflect"
	"syscall"
	"testing"
	"time"
)

// pair is a channel with both ends in one process.
func pair(t *testing.T) (old, new *Channel) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fds[0]); syscall.Close(fds[1]) })
	return &Channel{fd: fds[0]}, &Channel{fd: fds[1]}
}

func soon() time.Time { return time.Now().Add(5 * time.Second) }

// More than one message's worth of everything, and more than the socket's buffer takes at once.
func TestStateComesAcrossWhole(t *testing.T) {
	old, new := pair(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	said := State{Listeners: map[string][]int{}, Admin: map[string]int{"127.0.0.1:9180": int(null.Fd())}, Confined: true}
	counts := map[string]int{"127.0.0.1:80": 1, "[::]:443": descriptorsMax + 7}
	for address, n := range counts {
		for range n {
			said.Listeners[address] = append(said.Listeners[address], int(null.Fd()))
		}
	}
	for i := range 5000 {
		said.Servers = append(said.Servers, Server{"pool", fmt.Sprint("server", i), "10.0.0.1:80", "up"})
	}
	said.Tickets = &Tickets{[][]byte{bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)}, time.Unix(1_700_000_000, 0).UTC()}
	said.Files = map[string][]byte{"/data/long": bytes.Repeat([]byte("0123456\n"), 20_000), "/data/none": nil}
	sent := make(chan error)
	go func() { sent <- old.SendState(soon(), said) }()
	time.Sleep(50 * time.Millisecond)
	heard, err := new.ReceiveState(soon())
	if err := errors.Join(err, <-sent); err != nil {
		t.Fatal(err)
	}
	for address, n := range counts {
		if len(heard.Listeners[address]) != n {
			t.Errorf("%s: %d sockets, want %d", address, len(heard.Listeners[address]), n)
		}
		for _, fd := range heard.Listeners[address] {
			if flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0); flags&syscall.FD_CLOEXEC == 0 {
				t.Fatal("a descriptor would leak into what the process starts")
			}
			syscall.Close(fd)
		}
	}
	if len(heard.Admin) != 1 || !heard.Confined || !reflect.DeepEqual(heard.Servers, said.Servers) || !reflect.DeepEqual(heard.Tickets, said.Tickets) {
		t.Errorf("%d admin sockets, confined %v, %d servers", len(heard.Admin), heard.Confined, len(heard.Servers))
	}
	if none, is := heard.Files["/data/none"]; !is || len(none) > 0 || !bytes.Equal(heard.Files["/data/long"], said.Files["/data/long"]) {
		t.Errorf("files of %d and %d bytes came across", len(heard.Files["/data/long"]), len(none))
	}
	syscall.Close(heard.Admin["127.0.0.1:9180"])
}

func TestANewProcessIsWatchedUntilItsProbationEnds(t *testing.T) {
	says := func(o *Channel, during time.Duration) {
		for by := time.Now().Add(during); time.Now().Before(by); time.Sleep(5 * time.Millisecond) {
			if o.Send(Message{Kind: Alive}) != nil {
				return
			}
		}
	}
	for name, c := range map[string]struct {
		does func(old, new *Channel)
		err  error
	}{
		"it goes on":                {func(_, new *Channel) { says(new, 5*time.Second) }, nil},
		"it says nothing":           {func(_, _ *Channel) {}, ErrStalled},
		"it falls silent":           {func(_, new *Channel) { says(new, 50*time.Millisecond) }, ErrStalled},
		"it says only other things": {func(_, new *Channel) { new.Send(Message{Kind: Leaving}) }, ErrStalled},
		"it ends":                   {func(_, new *Channel) { says(new, 50*time.Millisecond); new.HangUp() }, ErrEnded},
		"it is told to stop": {func(_, new *Channel) {
			says(new, 50*time.Millisecond)
			new.Send(Message{Kind: Stopping})
			new.HangUp()
		}, nil},
		"this process hangs up": {func(old, new *Channel) { says(new, 50*time.Millisecond); old.HangUp() }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			old, new := pair(t)
			ended := make(chan struct{})
			go func() { defer close(ended); c.does(old, new) }()
			if err := old.StaysAlive(150*time.Millisecond, 500*time.Millisecond); !errors.Is(err, c.err) {
				t.Errorf("%v, want %v", err, c.err)
			}
			new.HangUp()
			<-ended
		})
	}
}

func TestTablesComeAcrossWhole(t *testing.T) {
	old, new := pair(t)
	said := make([]byte, (3*entriesMax+7)*EntrySize)
	for i := range said {
		said[i] = byte(i * 7 / 5)
	}
	sent := make(chan error)
	go func() {
		err := old.SendTable(soon(), "web by client_ip", said)
		sent <- errors.Join(err, old.Send(Message{Kind: Go}))
	}()
	var heard []byte
	_, err := new.ExpectAfter(Go, soon(), func(m Message, _ []int) {
		if len(m.Entries)%EntrySize != 0 {
			t.Error("a message ends within an entry")
		}
		if m.Kind == Table && m.Address == "web by client_ip" {
			heard = append(heard, m.Entries...)
		}
	})
	if err := errors.Join(err, <-sent); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(heard, said) {
		t.Errorf("%d bytes of %d, or others", len(heard), len(said))
	}
}

func TestWhatIsExpectedComesOrThereIsAReason(t *testing.T) {
	for name, c := range map[string]struct {
		does func(other *Channel)
		err  string
	}{
		"as expected":         {func(o *Channel) { o.Send(Message{Kind: Ready}) }, ""},
		"after something new": {func(o *Channel) { o.Send(Message{Kind: "of a later version"}); o.Send(Message{Kind: Ready}) }, ""},
		"a refusal":           {func(o *Channel) { o.Send(Message{Kind: Failed, Why: "no"}) }, "it says: no"},
		"an end":              {func(o *Channel) { o.HangUp() }, "it ended before it was ready"},
		"silence":             {func(*Channel) {}, "it was not ready in time"},
	} {
		old, new := pair(t)
		c.does(new)
		_, err := old.Expect(Ready, time.Now().Add(200*time.Millisecond))
		if got := fmt.Sprint(err); err == nil && c.err != "" || err != nil && got != c.err {
			t.Errorf("%s: %q, want %q", name, got, c.err)
		}
	}
}

func TestSendDoesNotWait(t *testing.T) {
	old, new := pair(t)
	began := time.Now()
	for old.Send(Message{Kind: Connection}) == nil {
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	new.HangUp()
	if err := old.Send(Message{Kind: Connection}); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("to nobody: %v", err)
	}
	if _, _, err := old.Receive(soon()); !errors.Is(err, io.EOF) {
		t.Errorf("from nobody: %v", err)
	}
}

func TestFlowsComeAcrossWithTheirDescriptors(t *testing.T) {
	old, new := pair(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	said := make([]Flow, 3*flowsMax+1)
	for i := range said {
		said[i] = Flow{Client: netip.AddrPortFrom(netip.MustParseAddr("fe80::1%eth0"), uint16(i)), Local: netip.IPv6LinkLocalAllNodes(), Pool: "pool", Received: uint64(i), HasAnswers: i%2 == 0}
	}
	sent := make(chan error)
	go func() {
		n, err := old.SendFlows(soon(), "udp:53", said, func(i int, fds []int) []int {
			if fds = append(fds, int(null.Fd())); said[i].HasAnswers {
				fds = append(fds, int(null.Fd()))
			}
			return fds
		})
		if n != len(said) {
			err = fmt.Errorf("%d sent: %w", n, err)
		}
		sent <- errors.Join(err, old.SendPatiently(soon(), Message{Kind: FlowsEnd}))
	}()
	var heard []Flow
	got, want := 0, 0
	err = new.ReceiveFlows(soon(), func(address string, flows []Flow, fds []int) {
		if address != "udp:53" {
			t.Error(address)
		}
		heard = append(heard, flows...)
		got += len(fds)
		closeAll(fds)
	})
	if err := errors.Join(err, <-sent); err != nil {
		t.Fatal(err)
	}
	for i := range said {
		if want++; said[i].HasAnswers {
			want++
		}
	}
	if !reflect.DeepEqual(heard, said) || got != want {
		t.Errorf("%d flows, %d descriptors, want %d and %d", len(heard), got, len(said), want)
	}
	if n, err := old.SendFlows(time.Now().Add(-time.Second), "udp:53", said, nil); n != 0 || err != nil {
		t.Errorf("after its time %d, %v", n, err)
	}
}

// An answer of many messages, refusals, answers that come too late, and the end of the other process.
func TestOrdersAreAnswered(t *testing.T) {
	old, new := pair(t)
	orders := NewOrders(new)
	go func() {
		defer orders.End()
		for {
			m, fds, err := new.Receive(time.Time{})
			if err != nil {
				return
			}
			closeAll(fds)
			if !orders.Hear(m) {
				t.Errorf("%+v is not part of an answer", m)
			}
		}
	}()
	if _, err := orders.Ask(time.Now().Add(20*time.Millisecond), "echo", nil); !errors.Is(err, ErrSilent) {
		t.Errorf("before it leaves: %v", err)
	}
	late := make(chan struct{})
	served := make(chan struct{})
	go func() {
		defer close(served)
		old.ServeOrders(func(_ time.Time, what string, body []byte) ([]byte, error) {
			switch what {
			case "echo":
				return body, nil
			case "grow":
				return bytes.Repeat(body, 20_000), nil
			case "flood":
				return make([]byte, answerMax+1), nil
			case "late":
				<-late
				return body, nil
			}
			return nil, errors.New("no such order")
		})
	}()
	ask := func(what string, within time.Duration) (string, error) {
		body, err := orders.Ask(time.Now().Add(within), what, []byte("0123456789"))
		return string(body), err
	}
	if got, err := ask("echo", time.Second); got != "0123456789" || err != nil {
		t.Error(got, err)
	}
	if got, err := ask("grow", 5*time.Second); len(got) != 200_000 || err != nil {
		t.Error(len(got), err)
	}
	if _, err := ask("other", time.Second); err == nil || err.Error() != "no such order" {
		t.Error(err)
	}
	if _, err := ask("late", 20*time.Millisecond); !errors.Is(err, ErrSilent) {
		t.Error(err)
	}
	close(late)
	if got, err := ask("echo", time.Second); got != "0123456789" || err != nil {
		t.Errorf("after a late answer: %q %v", got, err)
	}
	if _, err := ask("flood", 10*time.Second); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
	if orders.PID() != os.Getpid() {
		t.Error(orders.PID())
	}
	old.HangUp()
	<-served
	if _, err := ask("echo", time.Second); !errors.Is(err, ErrGone) {
		t.Error(err)
	}
	<-orders.Ended()
}

// Who comes late to the channel hears what has been said before it judges, and what nobody says any more is late.
func TestWhatHasComeIsHeardAfterItsTime(t *testing.T) {
	old, new := pair(t)
	for range 100 {
		new.Send(Message{Kind: "of a later version"})
	}
	new.Send(Message{Kind: Ready})
	past := time.Now().Add(-time.Millisecond)
	if _, err := old.Expect(Ready, past); err != nil {
		t.Error(err)
	}
	began := time.Now()
	if _, err := old.Expect(Ready, past); err == nil || time.Since(began) > 500*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	time.AfterFunc(100*time.Millisecond, func() { new.Send(Message{Kind: Ready}) })
	if _, err := old.Expect(Ready, time.Now().Add(-time.Minute)); err != nil {
		t.Errorf("this process did not run for a minute: %v", err)
	}
}

// A process that says the wrong things without end is late in the end.
func TestWhatComesWithoutEndIsLate(t *testing.T) {
	old, new := pair(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for new.SendPatiently(soon(), Message{Kind: Alive}) == nil {
		}
	}()
	if _, err := old.Expect(Ready, time.Now().Add(-time.Millisecond)); err == nil {
		t.Error("it was not said")
	}
	old.HangUp()
	<-ended
}
