package exchange

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/traffic/site"
)

func noise(n int) string {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(r.Uint32()%26)
	}
	return string(b)
}

// framings are the ways in which a server can send a body.
var framings = map[string]func(w io.Writer, body string) (closes bool){
	"length": func(w io.Writer, body string) bool {
		fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		return false
	},
	"chunks": func(w io.Writer, body string) bool {
		io.WriteString(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for piece := range slices.Chunk([]byte(body), 7001) {
			fmt.Fprintf(w, "%x\r\n%s\r\n", len(piece), piece)
		}
		io.WriteString(w, "0\r\n\r\n")
		return false
	},
	"until close": func(w io.Writer, body string) bool {
		io.WriteString(w, "HTTP/1.1 200 OK\r\n\r\n"+body)
		return true
	},
}

func TestBodiesThatAreHeldBackArriveWhole(t *testing.T) {
	for framing, send := range framings {
		for _, size := range []int{1, 5000, 100_000, 3_000_000} {
			for _, b := range []site.Buffer{{Response: 64 << 10}, {Response: 1 << 20}, {Response: 64 << 10, Spill: 1 << 20}, {Response: 4 << 20, Spill: 1 << 20}} {
				t.Run(fmt.Sprint(framing, " ", size, " ", b.Response, " ", b.Spill), func(t *testing.T) {
					body := noise(size)
					serve := func(c net.Conn) {
						r := bufio.NewReader(c)
						for {
							if _, err := http.ReadRequest(r); err != nil || send(c, body) {
								return
							}
						}
					}
					inWorld(t, servers(serve), func(w *world) {
						b.Dir = t.TempDir()
						w.route.Buffer = &b
						c := w.client()
						for range 2 {
							c.send(getting("/"))
							c.r.Peek(1)
							time.Sleep(time.Second)
							c.want("held back", 200, body)
						}
						c.Close()
					})
				})
			}
		}
	}
}

func TestSlowClientKeepsNoServerThatIsHeldBack(t *testing.T) {
	for _, b := range []site.Buffer{{Response: 1 << 20}, {Response: 64 << 10, Spill: 2 << 20}} {
		body := noise(900_000)
		served := 0
		serve := func(c net.Conn) {
			r := bufio.NewReader(c)
			for {
				if _, err := http.ReadRequest(r); err != nil {
					return
				}
				seen.Lock()
				served++
				seen.Unlock()
				framings["length"](c, body)
			}
		}
		inWorld(t, servers(serve), func(w *world) {
			b.Dir = t.TempDir()
			w.route.Buffer = &b
			slow := w.client()
			slow.send(getting("/slow"))
			slow.r.Peek(1)
			time.Sleep(5 * time.Second)
			other := w.client()
			other.send(getting("/other"))
			w.pass(time.Second)
			if len(w.dials) != 1 || served != 2 {
				t.Errorf("%v: %d connections and %d requests while a client is slow", b, len(w.dials), served)
			}
			slow.want("the slow client", 200, body)
			slow.Close()
			other.Close()
		})
	}
}

func TestBrokenAnswerThatIsHeldBackIsAskedForAgain(t *testing.T) {
	breaks := func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
	}
	inWorld(t, servers(breaks, plain(nil)), func(w *world) {
		c := w.client()
		w.route.Buffer = &site.Buffer{Response: 1 << 20}
		c.send(getting("/again"))
		c.want("from the second server", 200, "GET /again")
		c.Close()
		c = w.client()
		c.send("POST /once HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
		c.want("what is not idempotent", 502, "502 Bad Gateway\n")
		c.Close()
	})
}

// An interim answer binds nobody: another server may still be asked.
func TestBrokenAnswerBehindAnInterimOneIsAskedForAgain(t *testing.T) {
	breaks := func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
	}
	inWorld(t, servers(breaks, plain(nil)), func(w *world) {
		c := w.client()
		w.route.Buffer = &site.Buffer{Response: 1 << 20}
		c.send(getting("/again"))
		interim := make([]byte, len("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"))
		if io.ReadFull(c.r, interim); !strings.HasPrefix(string(interim), "HTTP/1.1 103 ") {
			t.Errorf("the client got %q", interim)
		}
		c.want("from the second server", 200, "GET /again")
		c.Close()
	})
}

func TestEventStreamsAreNotHeldBack(t *testing.T) {
	for _, field := range []string{"Content-Type: text/event-stream", "X-Accel-Buffering: no"} {
		stream := func(c net.Conn) {
			http.ReadRequest(bufio.NewReader(c))
			io.WriteString(c, "HTTP/1.1 200 OK\r\n"+field+"\r\nTransfer-Encoding: chunked\r\n\r\n")
			for range 3 {
				io.WriteString(c, "3\r\nabc\r\n")
				time.Sleep(10 * time.Second)
			}
			io.WriteString(c, "0\r\n\r\n")
		}
		inWorld(t, servers(stream), func(w *world) {
			w.route.Buffer = &site.Buffer{Response: 1 << 20, Spill: 1 << 20}
			c := w.client()
			began := time.Now()
			c.send(getting("/"))
			res, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.ReadFull(res.Body, make([]byte, 3))
			if took := time.Since(began); took > time.Second {
				t.Errorf("the first event takes %v", took)
			}
			io.Copy(io.Discard, res.Body)
			c.Close()
		})
	}
}

// uploading is a request with a body.
func uploading(method, body string, chunked bool, fields string) string {
	head := method + " /up HTTP/1.1\r\nHost: a\r\n" + fields
	if !chunked {
		return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
	}
	var b strings.Builder
	b.WriteString(head + "Transfer-Encoding: chunked\r\n\r\n")
	for piece := range slices.Chunk([]byte(body), 9001) {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(piece), piece)
	}
	return b.String() + "0\r\n\r\n"
}

func TestRequestBodiesThatAreKeptArriveWhole(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		for _, size := range []int{1, 20_000, 100_000, 300_000, 900_000} {
			for _, b := range []site.Buffer{{Request: 64 << 10}, {Request: 400 << 10}, {Request: 64 << 10, Spill: 512 << 10}, {Request: 64 << 10, Spill: 4 << 20}} {
				t.Run(fmt.Sprint(chunked, " ", size, " ", b.Request, " ", b.Spill), func(t *testing.T) {
					inWorld(t, servers(plain(nil)), func(w *world) {
						b.Dir = t.TempDir()
						w.route.Buffer = &b
						body := noise(size)
						c := w.client()
						go c.send(uploading("POST", body, chunked, "") + getting("/next"))
						c.want("the upload", 200, "POST /up"+body)
						c.want("the request behind it", 200, "GET /next")
						c.Close()
					})
				})
			}
		}
	}
}

func TestServerIsAskedOnceTheBodyIsKept(t *testing.T) {
	for _, b := range []site.Buffer{{Request: 1 << 20}, {Request: 16 << 10, Spill: 1 << 20}} {
		inWorld(t, servers(plain(nil)), func(w *world) {
			b.Dir = t.TempDir()
			w.route.Buffer = &b
			body := noise(60_000)
			request := uploading("POST", body, false, "Expect: 100-continue\r\n")
			c := w.client()
			at := strings.Index(request, "\r\n\r\n") + 4
			c.send(request[:at])
			if line, _ := c.r.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
				t.Fatalf("asked to go on with %q", line)
			}
			c.r.ReadString('\n')
			c.send(request[at : at+50_000])
			time.Sleep(5 * time.Second)
			if len(w.dials) != 0 {
				t.Error("a server was asked for before the body was there")
			}
			c.send(request[at+50_000:])
			c.want("the upload", 200, "POST /up"+body)
			c.Close()
		})
	}
}

func TestKeptBodyIsSentAgain(t *testing.T) {
	for _, b := range []site.Buffer{{Request: 1 << 20}, {Request: 16 << 10, Spill: 1 << 20}} {
		breaks := func(c net.Conn) {
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				io.CopyN(io.Discard, r.Body, 40_000)
			}
		}
		inWorld(t, servers(breaks, plain(nil)), func(w *world) {
			b.Dir = t.TempDir()
			w.route.Buffer = &b
			body := noise(200_000)
			c := w.client()
			c.send(uploading("PUT", body, true, ""))
			c.want("from the second server", 200, "PUT /up"+body)
			c.send(getting("/next"))
			c.want("the request behind it", 200, "GET /next")
			c.Close()
		})
	}
}

func TestDiskThatTakesNothingLosesNothing(t *testing.T) {
	body := noise(900_000)
	inWorld(t, servers(plain(map[string]string{"/big": "HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + body})), func(w *world) {
		w.route.Buffer = &site.Buffer{Response: 16 << 10, Request: 16 << 10, Spill: 1 << 20, Dir: "/dev/null/nowhere"}
		for _, chunked := range []bool{false, true} {
			c := w.client()
			go c.send(uploading("POST", body, chunked, ""))
			c.want("the upload", 200, "POST /up"+body)
			c.send(getting("/big"))
			c.want("the download", 200, body)
			c.Close()
		}
		if st := &w.driver.loops[0].Stats; st.SpillsFailed != 6 || st.Spills != 0 {
			t.Errorf("%d spills, %d failed", st.Spills, st.SpillsFailed)
		}
	})
}

func TestKeptBodyThatIsTooLarge(t *testing.T) {
	inWorld(t, servers(plain(nil)), func(w *world) {
		w.route.BodyLimit = 100_000
		w.route.Buffer = &site.Buffer{Request: 1 << 20}
		c := w.client()
		go io.WriteString(c, uploading("POST", noise(300_000), true, ""))
		c.want("too large", 413, "*")
		if len(w.dials) != 0 {
			t.Error("a server was asked")
		}
		c.Close()
	})
}

func TestTrailersFollowBodiesThatAreHeld(t *testing.T) {
	serve := func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			body, _ := io.ReadAll(req.Body)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Back\r\n\r\n%x\r\n%s\r\n0\r\nX-Back: %s\r\n\r\n", len(body), body, req.Trailer.Get("X-Sum"))
		}
	}
	body := noise(40_000)
	for _, b := range []site.Buffer{{Request: 1 << 20, Response: 1 << 20}, {Request: 16 << 10, Response: 16 << 10, Spill: 1 << 20}} {
		inWorld(t, servers(serve), func(w *world) {
			b.Dir = t.TempDir()
			w.route.Buffer = &b
			c := w.client()
			sent := uploading("POST", body, true, "TE: trailers\r\nConnection: TE\r\nTrailer: X-Sum\r\n")
			for range 2 {
				go c.send(strings.TrimSuffix(sent, "\r\n") + "X-Sum: 42\r\n\r\n")
				res, err := http.ReadResponse(c.r, nil)
				if err != nil {
					t.Fatal(err)
				}
				if got, _ := io.ReadAll(res.Body); string(got) != body || res.Trailer.Get("X-Back") != "42" {
					t.Errorf("%d bytes and the trailers %v", len(got), res.Trailer)
				}
			}
			c.Close()
		})
	}
}
