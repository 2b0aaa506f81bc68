package exchange

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
)

func TestKeepAliveClientSharesOneServerConnection(t *testing.T) {
	inWorld(t, servers(plain(nil)), func(w *world) {
		c := w.client()
		for i := range 5 {
			target := fmt.Sprintf("/page?n=%d", i)
			c.send(getting(target))
			head := c.want("a request", 200, "GET "+target)
			if head.Get("Server") != "" {
				t.Error("the server's name is shown")
			}
			if head.Get("Date") == "" {
				t.Error("RFC 9110 section 6.6.1: an answer without Date gets one")
			}
		}
		if len(w.dials) != 1 {
			t.Errorf("got %d server connections, want 1", len(w.dials))
		}
		c.Close()
	})
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	inWorld(t, servers(plain(nil)), func(w *world) {
		c := w.client()
		var all strings.Builder
		for i := range 40 {
			if i%3 == 0 {
				fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", i)
			} else if i%3 == 1 {
				fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n", i)
			} else {
				all.WriteString(getting(fmt.Sprintf("/%d", i)))
			}
		}
		go c.send(all.String())
		for i := range 40 {
			want := fmt.Sprintf("POST /%dabc", i)
			if i%3 == 2 {
				want = fmt.Sprintf("GET /%d", i)
			}
			c.want("pipelined", 200, want)
		}
		c.Close()
	})
}

func TestIncompleteHeadIsAnsweredWith408AtItsDeadline(t *testing.T) {
	inWorld(t, servers(plain(nil)), func(w *world) {
		c := w.client()
		began := time.Now()
		go func() {
			for i := 0; i < 30; i++ { // a byte a second: every byte in time, the head never
				if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.example\r\n"[i:i+1]); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		c.want("a slow head", 408, "*")
		if took := time.Since(began); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("took %v, want 10 s from the first byte", took)
		}
		c.Close()
	})
}

func TestIdleConnectionIsClosedWithoutAWord(t *testing.T) {
	inWorld(t, servers(plain(nil)), func(w *world) {
		c := w.client()
		c.send(getting("/"))
		c.want("a request", 200, "GET /")
		began := time.Now()
		c.wantEnd("idle")
		if took := time.Since(began); took < 74*time.Second || took > 77*time.Second {
			t.Errorf("closed after %v, want 75 s", took)
		}
	})
}

func TestRefusedConnectionGoesToAnotherServerWhateverTheMethod(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		inWorld(t, map[string]func(net.Conn){"10.0.0.1": nil, "10.0.0.2": plain(nil)}, func(w *world) {
			c := w.client()
			c.send(method + " /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
			c.want(method, 200, method+" /xhi")
			c.Close()
			synctest.Wait()
			if got := w.driver.loops[0].Stats.Reasons; got[reason.Done] != 1 {
				t.Errorf("%s: a request that was answered at the second try ended for %v", method, got)
			}
		})
	}
}

func TestServerThatClosesWithoutAnAnswerIsReplacedForIdempotentRequestsOnly(t *testing.T) {
	closes := plain(map[string]string{"/x": ""})
	for method, want := range map[string]int{"GET": 200, "PUT": 200, "POST": 502, "PATCH": 502} {
		inWorld(t, servers(closes, plain(nil)), func(w *world) {
			c := w.client()
			c.send(method + " /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
			c.want(method, want, "*")
			c.Close()
		})
	}
}

func TestAllServersFailingIsOneAnswerAfterAFewAttempts(t *testing.T) {
	closes := plain(map[string]string{"/": ""})
	inWorld(t, servers(closes, closes, closes, closes, closes), func(w *world) {
		c := w.client()
		c.send(getting("/"))
		c.want("five servers that fail", 502, "*")
		if len(w.dials) != 3 {
			t.Errorf("got %d attempts, want the first and two more", len(w.dials))
		}
		c.Close()
	})
}

func TestClosingIdleConnectionIsNo502(t *testing.T) {
	n := 0
	once := func(c net.Conn) { // answers one request, says it would live on, and closes as the next one comes
		n++
		r := bufio.NewReader(c)
		http.ReadRequest(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		r.ReadByte()
	}
	inWorld(t, servers(once), func(w *world) {
		c := w.client()
		for range 4 {
			c.send(getting("/"))
			c.want("a server that closes its idle connections", 200, "ok")
		}
		c.Close()
	})
}

func TestServersIdleTimeoutIsLearnt(t *testing.T) {
	inWorld(t, servers(func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			c.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}), func(w *world) {
		c := w.client()
		ask := func() {
			c.send(getting("/"))
			c.want("a request", 200, "ok")
		}
		ask()
		time.Sleep(6 * time.Second) // the server closes: now its limit is known
		ask()
		time.Sleep(4600 * time.Millisecond) // less than the server's limit, and more than weir now allows itself
		before := len(w.dials)
		ask()
		if len(w.dials) == before {
			t.Error("a connection was used that its server was about to close")
		}
		c.Close()
	})
}

func TestEarlyAnswerEndsTheUpload(t *testing.T) {
	inWorld(t, servers(func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!")
		time.Sleep(time.Second)
	}), func(w *world) {
		c := w.client()
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n")
		go io.Copy(c, io.LimitReader(zeros{}, 900000))
		c.want("an answer before the body's end", 413, "no!")
		c.wantEnd("its connection")
		c.Close()
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestLargeBodiesArriveWholeInBothFramings(t *testing.T) {
	inWorld(t, servers(func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			n, _ := io.Copy(io.Discard, req.Body)
			if req.URL.Path == "/length" {
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", n)
				io.Copy(c, io.LimitReader(zeros{}, n))
				continue
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for ; n > 0; n -= min(n, 7000) {
				fmt.Fprintf(c, "%x\r\n%s\r\n", min(n, 7000), strings.Repeat("z", int(min(n, 7000))))
			}
			io.WriteString(c, "0\r\n\r\n")
		}
	}), func(w *world) {
		c := w.client()
		const size = 300_000
		for _, path := range []string{"/length", "/chunked"} {
			for _, chunked := range []bool{false, true} {
				go func() {
					if !chunked {
						fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", path, size)
						io.Copy(c, io.LimitReader(zeros{}, size))
						return
					}
					fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", path)
					for left := size; left > 0; left -= 10_000 {
						fmt.Fprintf(c, "%x;ext=1\r\n%s\r\n", 10_000, strings.Repeat("z", 10_000))
					}
					io.WriteString(c, "0\r\nTrailer: x\r\n\r\n")
				}()
				if status, body, _ := c.answer("POST"); status != 200 || len(body) != size {
					t.Errorf("%s, chunked %v: got %d with %d bytes, want %d", path, chunked, status, len(body), size)
				}
			}
		}
		c.Close()
	})
}

func TestExpectContinueIsTheServersToAnswer(t *testing.T) {
	for name, server := range map[string]func(net.Conn){
		"says go on": func(c net.Conn) {
			r := bufio.NewReader(c)
			req, _ := http.ReadRequest(r)
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			b, _ := io.ReadAll(req.Body)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
		},
		"says nothing": func(c net.Conn) {
			r := bufio.NewReader(c)
			req, _ := http.ReadRequest(r)
			b, _ := io.ReadAll(req.Body)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
		},
	} {
		inWorld(t, servers(server), func(w *world) {
			c := w.client()
			c.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
			line, _ := c.r.ReadString('\n')
			empty, _ := c.r.ReadString('\n')
			if line != "HTTP/1.1 100 Continue\r\n" || empty != "\r\n" {
				t.Errorf("%s: got %q %q", name, line, empty)
			}
			c.send("body")
			c.want(name, 200, "body")
			c.Close()
		})
	}
	inWorld(t, servers(func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
	}), func(w *world) {
		c := w.client()
		c.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
		c.want("a server that does not want the body", 401, "")
		c.wantEnd("whose body would follow")
		c.Close()
	})
}

func TestInterimAnswersPassToHTTP11ClientsOnly(t *testing.T) {
	hints := plain(map[string]string{"/": "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"})
	inWorld(t, servers(hints), func(w *world) {
		c := w.client()
		c.send(getting("/"))
		if line, _ := c.r.ReadString('\n'); !strings.Contains(line, " 103 ") {
			t.Errorf("got %q", line)
		}
		for line := ""; line != "\r\n"; {
			line, _ = c.r.ReadString('\n')
		}
		c.want("after it", 200, "ok")
		c.Close()
		old := w.client()
		old.send("GET / HTTP/1.0\r\n\r\n")
		old.want("HTTP/1.0", 200, "ok")
		old.wantEnd("HTTP/1.0")
	})
}

func TestUpgradeRelaysBothWaysUntilBothEnd(t *testing.T) {
	inWorld(t, servers(func(c net.Conn) {
		r := bufio.NewReader(c)
		req, _ := http.ReadRequest(r)
		if req.Header.Get("Upgrade") != "websocket" || req.Header.Get("Connection") != "Upgrade" {
			t.Errorf("the server got %v", req.Header)
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello")
		io.Copy(c, r)
	}), func(w *world) {
		c := w.client()
		c.send("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		res, err := http.ReadResponse(c.r, nil)
		if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "websocket" {
			t.Fatalf("got %v, %v", res, err)
		}
		buf := make([]byte, 5)
		io.ReadFull(c.r, buf)
		if string(buf) != "hello" {
			t.Errorf("got %q", buf)
		}
		for range 3 {
			time.Sleep(50 * time.Second) // below the tunnel's minute of silence
			go c.send("12345")
			io.ReadFull(c.r, buf)
			if string(buf) != "12345" {
				t.Errorf("got %q", buf)
			}
		}
		began := time.Now()
		c.wantEnd("silence")
		if took := time.Since(began); took < 59*time.Second || took > 62*time.Second {
			t.Errorf("a silent tunnel ended after %v, want a minute", took)
		}
	})
}

func TestUpgradeThatTheServerRefusesIsAnOrdinaryAnswer(t *testing.T) {
	inWorld(t, servers(plain(nil)), func(w *world) {
		c := w.client()
		c.send("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		c.want("refused", 200, "GET /chat")
		c.Close()
	})
}

func TestServerThatAnswersBeforeItIsAskedIsNotKept(t *testing.T) {
	inWorld(t, servers(func(c net.Conn) {
		r := bufio.NewReader(c)
		http.ReadRequest(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
		time.Sleep(time.Minute)
	}), func(w *world) {
		a, b := w.client(), w.client()
		a.send(getting("/"))
		a.want("the first", 200, "ok")
		b.send(getting("/"))
		b.want("the next", 200, "ok")
		if len(w.dials) != 2 {
			t.Errorf("got %d connections, want 2: the first has bytes nobody asked for", len(w.dials))
		}
		a.Close()
		b.Close()
	})
}

func TestPanicInEachStageEndsOnlyItsExchange(t *testing.T) {
	for s := Read; s < Done; s++ {
		ask := getting("/")
		if s == Answer {
			ask = "BAD\r\n\r\n" // weir answers this one itself
		}
		inWorld(t, servers(plain(nil)), func(w *world) {
			bystander := w.client()
			bystander.send(getting("/"))
			bystander.want("before", 200, "GET /")
			synctest.Wait() // until its exchange has finished
			w.driver.Fault = func(at Stage) {
				if at == s {
					panic("as asked in " + s.String())
				}
			}
			victim := w.client()
			go io.WriteString(victim, ask)
			for {
				if _, err := victim.r.ReadByte(); err != nil {
					break
				}
			}
			w.driver.Fault = nil
			bystander.send(getting("/"))
			bystander.want("after a panic in "+s.String(), 200, "GET /")
			bystander.Close()
			time.Sleep(time.Second)
			w.wantSettled(s.String())
		})
	}
}

// wantSettled: nothing of an ended exchange remains, whatever ended it.
func (w *world) wantSettled(after string) {
	w.t.Helper()
	w.engine.Each(func(l *engine.Loop) {
		st := w.driver.Stats(l.Index)
		if st.Active != 0 || st.Clients != 0 {
			w.t.Errorf("after %s: %d exchanges and %d clients remain", after, st.Active, st.Clients)
		}
		if n := w.route.Destination.Pool.Set().Servers[0].Load(0).InFlight; n != 0 {
			w.t.Errorf("after %s: %d attempts in flight remain", after, n)
		}
	})
}

func TestEveryEndIsCountedUnderItsReason(t *testing.T) {
	inWorld(t, servers(func(c net.Conn) { io.CopyN(io.Discard, c, 40); c.Close() }), func(w *world) {
		w.route.Retries = 0
		c := w.client()
		c.send(getting("/"))
		c.want("cut", 502, "*")
		c.send("BAD\r\n\r\n")
		c.want("malformed", 400, "*")
		c.Close()
		synctest.Wait()
		w.engine.Each(func(l *engine.Loop) {
			st := w.driver.Stats(0)
			if st.Reasons[reason.ResponseCut] != 1 || st.Reasons[reason.ClientMalformed] != 1 || st.Status[5] != 1 || st.Status[4] != 1 {
				t.Errorf("got reasons %v and classes %v", st.Reasons, st.Status)
			}
		})
	})
}

func TestFullBodyThatIsCutEndsTheClientsConnection(t *testing.T) {
	inWorld(t, servers(func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
	}), func(w *world) {
		c := w.client()
		c.send(getting("/"))
		res, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(res.Body); err != io.ErrUnexpectedEOF || string(b) != "half" {
			t.Errorf("got %q, %v: the client must see that it is not whole", b, err)
		}
	})
}

func TestWholeUploadWithoutAnAnswerIsNotWaitedForAgain(t *testing.T) {
	deaf := func(c net.Conn) {
		r := bufio.NewReader(c)
		if req, err := http.ReadRequest(r); err == nil {
			io.Copy(io.Discard, req.Body)
		}
	}
	inWorld(t, servers(deaf, plain(nil)), func(w *world) {
		c := w.client()
		began := time.Now()
		go c.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n" + strings.Repeat("a", 9000) + getting("/next"))
		c.want("the upload", 502, "*")
		if d := time.Since(began); d > time.Second {
			t.Errorf("the answer took %v", d)
		}
		w.pass(0)
		w.route.Retries = 5
		c.want("the request behind it", 200, "GET /next")
		c.Close()
	})
}

func TestRequestsBehindAStreamedBodyAreKeptWhateverTheirSize(t *testing.T) {
	inWorld(t, servers(plain(nil)), func(w *world) {
		c := w.client()
		var all strings.Builder
		fmt.Fprintf(&all, "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1770\r\n%s\r\n0\r\n\r\n", strings.Repeat("b", 6000))
		for i := range 100 {
			all.WriteString(getting(fmt.Sprintf("/%d", i)))
		}
		go c.send(all.String())
		c.want("the upload", 200, "POST /a"+strings.Repeat("b", 6000))
		for i := range 100 {
			c.want("a request behind it", 200, fmt.Sprintf("GET /%d", i))
		}
		c.Close()
	})
}

// cutOff is a server's connection that takes no byte and still has an answer to read.
type cutOff struct{ net.Conn }

func (cutOff) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestBodyThatWasNeverSentIsNotTheNextRequest(t *testing.T) {
	answers := func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") }
	inWorld(t, servers(answers), func(w *world) {
		w.wrap = func(c net.Conn) net.Conn { return cutOff{c} }
		c := w.client()
		hidden := getting("/hidden")
		c.send(fmt.Sprintf("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", len(hidden)))
		c.want("the early answer", 200, "ok")
		go io.WriteString(c, hidden)
		c.wantEnd("the body")
		if got := w.driver.loops[0].Stats.Requests; got != 1 {
			t.Errorf("%d requests", got)
		}
	})
}

func TestSlowUploadIsNotTheServersDelay(t *testing.T) {
	inWorld(t, servers(plain(nil)), func(w *world) {
		w.route.Response = 5 * time.Second
		c := w.client()
		const pieces, size = 10, 10_000
		c.send(fmt.Sprintf("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", pieces*size))
		for range pieces {
			c.send(strings.Repeat("a", size))
			time.Sleep(15 * time.Second)
		}
		c.want("an upload of two minutes", 200, "POST /a"+strings.Repeat("a", pieces*size))
		c.Close()
	})
}

func TestSlowServerDoesNotUseUpTheClientsTime(t *testing.T) {
	slow := func(c net.Conn) {
		r := bufio.NewReader(c)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		io.CopyN(io.Discard, req.Body, 20_000)
		time.Sleep(100 * time.Second) // takes nothing meanwhile
		io.Copy(io.Discard, req.Body)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
	inWorld(t, servers(slow), func(w *world) {
		w.route.Response = 2 * time.Minute
		c := w.client()
		c.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n")
		go func() {
			for range 6 {
				c.send(strings.Repeat("a", 10_000))
				time.Sleep(time.Second)
			}
		}()
		c.want("the upload", 200, "ok")
		c.Close()
	})
}

func TestAnswerInManyTinyChunksArrivesWhole(t *testing.T) {
	streams := func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for range 50 {
				io.WriteString(c, strings.Repeat("5\r\ntoken\r\n", 100))
			}
			io.WriteString(c, "0\r\n\r\n")
		}
	}
	inWorld(t, servers(streams), func(w *world) {
		c := w.client()
		c.send(getting("/stream"))
		c.want("a stream of tokens", 200, strings.Repeat("token", 5000))
		c.Close()
	})
}
