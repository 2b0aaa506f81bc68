package http1

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// lanes is how many subjects run side by side. Each has a recorder of its own, so that what reaches the server
// belongs to the one case that its lane is at, however mangled it is.
const lanes = 6

// A lane is one running subject and the recorder behind it.
type lane struct {
	address  string
	recorder *recorder
	process  *peers.Process
	served   int // numbers the good requests
}

// only picks cases.
var only = flag.String("case", "", "a regular `expression` that picks cases by file/name")

// inLanes runs every case that -case picks, shared out over the lanes, and counts those that are right.
func inLanes(t *testing.T, cases []*testCase, run func(*lane, *testCase) error) {
	t.Helper()
	pick, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	queue := make(chan *testCase, len(cases))
	for _, c := range cases {
		if pick.MatchString(c.Name) {
			queue <- c
		}
	}
	close(queue)
	ls := startLanes(t)
	var running sync.WaitGroup
	for _, l := range ls {
		running.Go(func() {
			for c := range queue {
				err := run(l, c)
				tally.count(err)
				if err != nil {
					t.Errorf("%s: %v", c.Name, err)
					time.Sleep(50 * time.Millisecond) // what it still sends shall not be taken for the next case's
				}
			}
		})
	}
	running.Wait()
	var recorders []*recorder
	for _, l := range ls {
		if !l.process.Alive() {
			log, _ := os.ReadFile(l.process.Log)
			t.Errorf("the subject ended: %s", log)
		}
		recorders = append(recorders, l.recorder)
	}
	compareParsers(t, recorders)
}

// startLanes starts the subjects, and stops them when the test ends.
func startLanes(t *testing.T) []*lane {
	t.Helper()
	var ls []*lane
	for range lanes {
		r, err := newRecorder()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.listener.Close() })
		address, process, err := startSubject(t.TempDir(), r.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { process.Stop() })
		ls = append(ls, &lane{address: address, recorder: r, process: process})
	}
	return ls
}

// request sends a case and checks all that must hold of it.
func (l *lane) request(c *testCase) error {
	start := l.recorder.mark()
	answers, err := l.exchange(c)
	if err != nil {
		return err
	}
	requests, raw, _ := l.recorder.settled(start)
	if err := checkServer(c, answers, requests, raw); err != nil {
		return err
	}
	if err := l.checkAbandoned(start, requests); err != nil {
		return err
	}
	return l.stillGood()
}

// checkAbandoned wants a server connection closed that has a part of a request and will never have the rest: whatever came
// next on it would be taken for the rest.
func (l *lane) checkAbandoned(start mark, requests []recorded) error {
	if len(requests) > 0 {
		return nil
	}
	for _, s := range l.recorder.touched(start) {
		if !s.isClosed(closePatience) {
			return errors.New("the server's connection stays open with a part of the request")
		}
	}
	return nil
}

// exchange sends the bytes, reads the answers, and checks them and what becomes of the connection.
func (l *lane) exchange(c *testCase) ([]answer, error) {
	conn, err := dial(l.address)
	if err != nil {
		return nil, err
	}
	defer conn.conn.Close()
	raw := c.Sent
	if c.rejects() && !c.is("alone") && !c.EOF {
		raw = append(slices.Clip(raw), "GET /after HTTP/1.1\r\nHost: a.example\r\n\r\n"...)
	}
	conn.send(raw)
	if c.EOF {
		conn.closeWrite()
	}
	var answers []answer
	for i, want := range c.Statuses {
		a := conn.read(c.method(i))
		answers = append(answers, a)
		if !slices.Contains(want, a.Status) {
			return answers, fmt.Errorf("answer %d is %s, want %s", i+1, a.Status, strings.Join(want, " or "))
		}
		if a.Status == "cut" || a.Status[0] != '2' {
			break
		}
	}
	last := answers[len(answers)-1]
	if c.Body != nil && last.Body != string(c.Body) {
		return answers, fmt.Errorf("body %q, want %q", last.Body, c.Body)
	}
	return answers, l.checkConnection(c, conn, last)
}

// method is that of the request that the i-th answer belongs to. After the first it only matters for answers that
// are the subject's own: those of the server say what they answer.
func (c *testCase) method(i int) string {
	if i == 0 && bytes.HasPrefix(c.Sent, []byte("HEAD ")) {
		return "HEAD"
	}
	return "GET"
}

// rejects reports whether no answer of the case can be a success.
func (c *testCase) rejects() bool {
	return !slices.ContainsFunc(c.Statuses[len(c.Statuses)-1], func(s string) bool { return s[0] == '2' })
}

// checkConnection wants the client's connection kept or closed.
func (l *lane) checkConnection(c *testCase, conn *client, last answer) error {
	if last.Status == "cut" || c.is("either") || c.EOF {
		return nil
	}
	if c.is("keep") || last.Status[0] == '2' && !c.is("close") {
		if err := conn.good("/kept"); err != nil {
			return fmt.Errorf("on the same connection: %w", err)
		}
		return nil
	}
	closed, err := conn.isClosed()
	if err == nil && !closed {
		err = fmt.Errorf("after %s the connection stays open", last.Status)
	}
	return err
}

// checkServer compares what reached the server with the answers that came from it.
func checkServer(c *testCase, answers []answer, requests []recorded, raw []byte) error {
	echoed := 0
	for _, a := range answers {
		if a.Echo != "" {
			if echoed >= len(requests) || a.Echo != requests[echoed].String() {
				return fmt.Errorf("answer %q belongs to none of the server's requests %q in turn", a.Echo, requests)
			}
			echoed++
		}
	}
	forwarded := slices.DeleteFunc(slices.Clone(requests), func(r recorded) bool { return r.Target == "/kept" })
	if len(forwarded) != echoed {
		return fmt.Errorf("%d requests reached the server, the client got %d answers of it: %q", len(forwarded), echoed, forwarded)
	}
	if len(requests) == 0 && len(raw) > 0 && !c.is("partial") {
		return fmt.Errorf("reached the server: %.120q", raw)
	}
	if bytes.Contains(raw, []byte("/after")) {
		return fmt.Errorf("what came behind the fault reached the server: %.200q", raw)
	}
	return checkText(c, raw)
}

// pseudonym is the name that weir gives itself in Via: ten letters and digits by chance, which are sometimes what a case looks for.
var pseudonym = regexp.MustCompile(`weir-[A-Z2-7]{10}`)

// checkText looks for what the server must and must not see.
func checkText(c *testCase, raw []byte) error {
	lower := bytes.ToLower(pseudonym.ReplaceAll(raw, []byte("weir")))
	for _, text := range c.Sees {
		if !bytes.Contains(lower, bytes.ToLower(text)) {
			return fmt.Errorf("the server does not see %q: %.300q", text, raw)
		}
	}
	for _, text := range c.Hides {
		if bytes.Contains(lower, bytes.ToLower(text)) {
			return fmt.Errorf("the server sees %q: %.300q", text, raw)
		}
	}
	return nil
}

// stillGood wants two good requests answered on new connections, each with its own answer.
func (l *lane) stillGood() error {
	for range 2 {
		l.served++
		conn, err := dial(l.address)
		if err != nil {
			return fmt.Errorf("afterwards: %w", err)
		}
		err = conn.good("/good-" + strconv.Itoa(l.served))
		conn.conn.Close()
		if err != nil {
			return fmt.Errorf("afterwards, on a new connection: %w", err)
		}
	}
	return nil
}

// response has the server answer with a case's bytes, and checks what the client and the server get.
func (l *lane) response(c *testCase) error {
	l.recorder.answerWith(c.Sent, c.EOF)
	conn, err := dial(l.address)
	if err != nil {
		return err
	}
	defer conn.conn.Close()
	asked := c.Asked
	if asked == nil {
		asked = []byte("GET " + hostile + " HTTP/1.1\r\nHost: a.example\r\n\r\n")
	}
	start := l.recorder.mark()
	conn.send(asked)
	method, _, _ := strings.Cut(string(asked), " ")
	a := conn.read(method)
	if !slices.Contains(c.Statuses[0], a.Status) {
		return fmt.Errorf("the client gets %s, want %s", a.Status, strings.Join(c.Statuses[0], " or "))
	}
	if c.Body != nil && a.Status[0] == '2' && a.Body != string(c.Body) {
		return fmt.Errorf("body %q, want %q", a.Body, c.Body)
	}
	_, _, on := l.recorder.since(start)
	if len(on) == 0 || len(on) > 1 && !c.is("again") {
		return fmt.Errorf("the request came on %d server connections", len(on))
	}
	if err := l.checkServerConnection(c, a, on[0]); err != nil {
		return err
	}
	if a.Status[0] == '2' && !c.is("either") {
		if err := conn.good("/kept"); err != nil {
			return fmt.Errorf("on the same connection: %w", err)
		}
	}
	return l.stillGood()
}

// checkServerConnection wants the server's connection kept when the answer was in order, and closed otherwise. Where
// a case leaves it open whether the answer is in order, both are right for one that was passed on.
func (l *lane) checkServerConnection(c *testCase, a answer, s *stream) error {
	passedOn := a.Status != "502" && a.Status != "cut"
	switch {
	case c.EOF, passedOn && slices.Contains(c.Statuses[0], "502"):
		return nil
	case c.is("reuse"):
		if s.isClosed(closePatience / 10) {
			return errors.New("the server's connection was closed for nothing")
		}
	case !s.isClosed(closePatience):
		return errors.New("the server's connection stays open")
	}
	return nil
}
