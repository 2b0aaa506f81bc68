package http1

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// smuggled is a request in the body of another. Whoever takes it for a request has been desynchronised.
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n"

// A disguise writes a framing field so that some reader may miss it and another may not.
type disguise func(name, value string) string

// disguises are the ways of every published attack on field parsing.
func disguises() []disguise {
	formats := []string{
		"N: V\r\n", "N:V\r\n", "N:\tV\r\n", "N: \t V \t\r\n", "N : V\r\n", "N\t: V\r\n", " N: V\r\n", "\tN: V\r\n",
		"N:\x0bV\r\n", "N: \x0cV\r\n", "N: V\x0b\r\n", "N: V\x00\r\n", "N: \x00V\r\n", "N\x00: V\r\n", "\x00N: V\r\n",
		"N: V\x7f\r\n", "N: \xa0V\r\n", "N: V\xa0\r\n", "N\xa0: V\r\n", "N: \x85V\r\n", "N: \xef\xbb\xbfV\r\n", "\xef\xbb\xbfN: V\r\n",
		"N:\r\n V\r\n", "N:\r\n\tV\r\n", "N:\r\n\r\tV\r\n", "N: V\r\n x\r\n", "N:\n V\r\n", "N\r\n: V\r\n",
		"X: y\nN: V\r\n", "X: y\rN: V\r\n", "X: y\r N: V\r\n", "N: V\nX: y\r\n", "N: V\rX: y\r\n", "N: V\n", "N: V\r\r\n", "\nN: V\r\n", "\rN: V\r\n",
		"N: V,\r\n", "N: ,V\r\n", "N: x, V\r\n", "N: V, x\r\n", "N: V, V\r\n", "N: V;a=b\r\n", "N: V;\r\n", "N: V x\r\n",
		"N: \"V\"\r\n", "N: 'V'\r\n", "N: +V\r\n", "N: 0xV\r\n", "N: -V\r\n", "N: V.0\r\n", "N: V_\r\n",
		"N: V\r\nN: V\r\n", "N: V\r\nN: x\r\n", "N: x\r\nN: V\r\n", "N:\r\nN: V\r\n", "N: V\r\nN:\r\n", "N: 0\r\nN: V\r\n", "N: identity\r\nN: V\r\n",
		"N:: V\r\n", "N V\r\n", "N;: V\r\n", "(N): V\r\n", "N/: V\r\n", "X N: V\r\n", ": V\r\nN: V\r\n", "N: V\r\n: x\r\n",
		"U: V\r\n", "Connection: N\r\nN: V\r\n", "Connection: close, N\r\nN: V\r\n", "lower: V\r\n", "UPPER: V\r\n",
	}
	var all []disguise
	for _, format := range formats {
		all = append(all, func(name, value string) string {
			return strings.NewReplacer("N", name, "V", value, "U", strings.ReplaceAll(name, "-", "_"),
				"lower", strings.ToLower(name), "UPPER", strings.ToUpper(name)).Replace(format)
		})
	}
	return all
}

// attacks writes one request for each way of combining the disguises. Each is one request, or none, for whoever
// reads it by the standard: the smuggled one is always within the body that a well-formed field delimits, or behind bytes that
// begin no request.
func attacks() []*testCase {
	const (
		te, chunked = "Transfer-Encoding", "chunked"
		cl          = "Content-Length"
	)
	var all []*testCase
	add := func(kind, method, fields, body string) {
		raw := method + " /attack HTTP/1.1\r\nHost: a.example\r\n" + fields + "\r\n" + body
		all = append(all, &testCase{Name: fmt.Sprintf("smuggling/%s-%d", kind, len(all)), Sent: []byte(raw)})
	}
	terminated := "0\r\n\r\n" + smuggled
	chunk := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled)
	plainCL := fmt.Sprintf("%s: %d\r\n", cl, len(terminated))
	plainTE := te + ": " + chunked + "\r\n"
	ds := disguises()
	for _, method := range []string{"POST", "GET"} {
		for _, d := range ds {
			add("length-and-disguised-te", method, plainCL+d(te, chunked), terminated)
			add("disguised-te-and-length", method, d(te, chunked)+plainCL, terminated)
			add("te-and-disguised-length", method, plainTE+d(cl, "4"), chunk)
			add("disguised-length-and-te", method, d(cl, "4")+plainTE, chunk)
			add("disguised-te", method, d(te, chunked), chunk)
			add("disguised-length", method, d(cl, fmt.Sprint(len(smuggled)+1)), "\x00"+smuggled)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	any := func() disguise { return ds[random.IntN(len(ds))] }
	for range 150 {
		add("two-disguised-te", "POST", any()(te, chunked)+any()(te, chunked), chunk)
		add("both-disguised", "POST", any()(cl, "4")+any()(te, chunked), chunk)
	}
	return all
}

// mutation sends one attack: at most one request may come of it, the smuggled one never, and nobody gets an answer
// that is not his.
func (l *lane) mutation(c *testCase) error {
	start := l.recorder.mark()
	if err := l.attack(c); err != nil {
		return fmt.Errorf("%w, after %.200q", err, c.Sent)
	}
	requests, raw, _ := l.recorder.settled(start)
	requests = slices.DeleteFunc(requests, func(r recorded) bool { return r.Target == "/kept" })
	if len(requests) > 1 || slices.ContainsFunc(requests, func(r recorded) bool { return r.Target != "/attack" }) {
		return fmt.Errorf("the server found %q in %.300q, sent was %.200q", requests, raw, c.Sent)
	}
	return l.stillGood()
}

// attack sends the bytes and a good request behind the answer.
func (l *lane) attack(c *testCase) error {
	conn, err := dial(l.address)
	if err != nil {
		return err
	}
	defer conn.conn.Close()
	conn.send(c.Sent)
	first := conn.read("GET")
	switch {
	case first.Status[0] == '5' && first.Status != "501":
		return fmt.Errorf("answered %s", first.Status)
	case first.Status[0] == '4' || first.Status == "501" || first.Status == "cut":
		return nil
	case first.Status != "200" || !strings.Contains(first.Echo, " /attack "):
		return fmt.Errorf("answered %s, echo %q", first.Status, first.Echo)
	}
	conn.send([]byte("GET /kept HTTP/1.1\r\nHost: a.example\r\n\r\n"))
	second := conn.read("GET")
	if second.Echo != "" && second.Echo != "GET /kept 0" {
		return errors.New("the next request on the connection got the answer " + second.Echo)
	}
	return nil
}

func TestNoDisguiseSmugglesARequest(t *testing.T) {
	cases := attacks()
	if len(cases) < 1000 {
		t.Fatalf("%d attacks, want at least 1000", len(cases))
	}
	inLanes(t, cases, (*lane).mutation)
}
