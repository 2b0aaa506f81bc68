package exchange

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
)

// mirrored is a world whose requests go to the first server, and their copies to the second.
func mirrored(t *testing.T, m site.Mirror, first, second func(net.Conn), f func(w *world, counts *site.Mirrored)) {
	inWorld(t, servers(first, second), func(w *world) {
		to := func(name, address string) *site.Destination {
			d := *w.route.Destination
			d.Pool = pool.New(pool.Config{Name: name, Loops: 1, Balance: pool.BalanceConfig{Policy: "first"}, Servers: []pool.ServerConfig{{Address: address}}}, nil)
			d.Loops = make([]site.DestinationLoop, 1)
			return &d
		}
		copies := *w.route
		copies.Destination, copies.Retries = to("shadow", "10.0.0.2:80"), 0
		w.route.Destination = to("servers", "10.0.0.1:80")
		m.Route = &copies
		w.route.Mirror = &m
		f(w, &copies.Destination.Loops[0].Mirror)
	})
}

// noting is a server that answers and notes the requests it got.
func noting(got *[]string, answer string, delay time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			body, _ := io.ReadAll(req.Body)
			seen.Lock()
			*got = append(*got, fmt.Sprintf("%s %s %s %s %s", req.Method, req.URL, req.Host, req.Header.Get("X-Forwarded-For"), body))
			seen.Unlock()
			time.Sleep(delay)
			io.WriteString(c, answer)
		}
	}
}

const fine = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nfine"

func TestMirrorGetsTheSameRequests(t *testing.T) {
	var first, second []string
	mirrored(t, site.Mirror{Share: site.Points, Body: 100_000}, noting(&first, fine, 0), noting(&second, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 0),
		func(w *world, counts *site.Mirrored) {
			c := w.client()
			body := noise(50_000)
			for _, request := range []string{getting("/a?b=c"), uploading("POST", "short", false, ""), uploading("POST", "", true, ""), uploading("PUT", body, false, ""),
				uploading("PUT", body, true, "Expect: 100-continue\r\n")} {
				go c.send(request)
				if b, _ := c.r.Peek(12); string(b) == "HTTP/1.1 100" {
					c.r.ReadString('\n')
					c.r.ReadString('\n')
				}
				c.want("the client", 200, "fine")
				w.pass(time.Second)
			}
			c.Close()
			w.pass(time.Second)
			if fmt.Sprint(first) != fmt.Sprint(second) || len(first) != 5 {
				t.Errorf("the servers got %.200q, the mirror %.200q", first, second)
			}
			if *counts != (site.Mirrored{Sent: 5}) {
				t.Errorf("counted %+v", *counts)
			}
			if st := &w.driver.loops[0].Stats; st.Requests != 5 || st.Status[2] != 5 || st.Status[5] != 0 || st.Active != 0 {
				t.Errorf("%d requests, answers %v, %d active: copies are counted as clients'", st.Requests, st.Status, st.Active)
			}
		})
}

func TestSlowMirrorDelaysNobody(t *testing.T) {
	var first, second []string
	mirrored(t, site.Mirror{Share: site.Points, Body: 1000}, noting(&first, fine, 0), noting(&second, fine, 30*time.Second), func(w *world, counts *site.Mirrored) {
		c := w.client()
		began := time.Now()
		for range shadowsMost + 10 {
			c.send(getting("/"))
			c.want("the client", 200, "fine")
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
		c.Close()
		if counts.Sent != shadowsMost || counts.Skipped != 10 {
			t.Errorf("counted %+v", *counts)
		}
	})
}

func TestMirrorLeavesOutWhatItMay(t *testing.T) {
	var first, second []string
	mirrored(t, site.Mirror{Share: site.Points, Body: 1000}, noting(&first, fine, 0), noting(&second, fine, 0), func(w *world, counts *site.Mirrored) {
		c := w.client()
		for i, chunked := range []bool{false, true} {
			go c.send(uploading("POST", noise(30_000), chunked, ""))
			c.want("the client", 200, "fine")
			if counts.Skipped != uint64(i+1) || len(second) != 0 {
				t.Errorf("chunked %v: %+v, the mirror got %d", chunked, *counts, len(second))
			}
		}
		w.route.Mirror.Share = site.Points / 4
		for range 400 {
			c.send(getting("/"))
			c.want("the client", 200, "fine")
		}
		if counts.Sent < 60 || counts.Sent > 140 {
			t.Errorf("%d of 400 requests at a share of 25%%", counts.Sent)
		}
		c.Close()
	})
}

func TestDeadMirrorIsCounted(t *testing.T) {
	var first []string
	mirrored(t, site.Mirror{Share: site.Points, Body: 1000, Compare: true}, noting(&first, fine, 0), nil, func(w *world, counts *site.Mirrored) {
		c := w.client()
		c.send(getting("/"))
		c.want("the client", 200, "fine")
		w.pass(time.Second)
		if *counts != (site.Mirrored{Sent: 1, Failed: 1}) {
			t.Errorf("counted %+v", *counts)
		}
		c.Close()
	})
}

func TestAnswersAreCompared(t *testing.T) {
	long := noise(300_000)
	chunks := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(long), long)
	length := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(long), long)
	for name, c := range map[string]struct{ first, second, why string }{
		"the same":     {fine, fine, ""},
		"other frames": {chunks, length, ""},
		"status":       {fine, strings.Replace(fine, "200 OK", "404 No", 1), "status 404, not 200"},
		"kind":         {fine, strings.Replace(fine, "plain", "html", 1), `Content-Type "text/html", not "text/plain"`},
		"length":       {fine, strings.Replace(fine, "4\r\n\r\nfine", "5\r\n\r\nfiner", 1), "body of 5 bytes, not 4"},
		"bytes":        {length, strings.Replace(chunks, long, long[1:]+"A", 1), "body of 300000 other bytes"},
	} {
		for _, delay := range []time.Duration{0, 2 * time.Second} {
			var first, second []string
			mirrored(t, site.Mirror{Share: site.Points, Body: 1000, Compare: true}, noting(&first, c.first, 2*time.Second-delay), noting(&second, c.second, delay),
				func(w *world, counts *site.Mirrored) {
					setup := *w.http.Setup()
					setup.Log = &accesslog.Filter{}
					w.http.Swap(&setup)
					client := w.client()
					client.send(getting("/"))
					client.want(name, 200, "*")
					w.pass(5 * time.Second)
					client.Close()
					want := site.Mirrored{Sent: 1, Same: 1}
					if c.why != "" {
						want = site.Mirrored{Sent: 1, Differs: 1}
					}
					if *counts != want {
						t.Errorf("%s: counted %+v", name, *counts)
					}
					records := 0
					for b, ok := w.driver.Rings()[0].Take(nil); ok; b, ok = w.driver.Rings()[0].Take(nil) {
						if strings.Contains(string(b), "shadow") {
							records++
							if !strings.Contains(string(b), c.why) {
								t.Errorf("%s: logged %q, want %q", name, b, c.why)
							}
						}
					}
					if records != int(want.Differs) {
						t.Errorf("%s: %d records", name, records)
					}
				})
		}
	}
}
