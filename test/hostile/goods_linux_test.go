package hostile

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// good are clients that do nothing wrong.
type good struct {
	mu     sync.Mutex
	took   []time.Duration
	failed int
	last   error // of those that failed
	stop   chan struct{}
	done   sync.WaitGroup
}

// goods are what good clients do, by a word: each returns what one of them does again and again, on a connection of its own or on new ones.
var goods = map[string]func(at map[string]string) func() error{
	"http, kept": func(at map[string]string) func() error { return httpClient(at["clear"], &http.Transport{}, "http://") },
	"http, new": func(at map[string]string) func() error {
		return httpClient(at["clear"], &http.Transport{DisableKeepAlives: true}, "http://")
	},
	"direct": func(at map[string]string) func() error {
		return httpClient(at["direct"], &http.Transport{DisableKeepAlives: true}, "http://")
	},
	"tls": func(at map[string]string) func() error {
		return httpClient(at["secure"], &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, "https://")
	},
	"passed": func(at map[string]string) func() error {
		return httpClient(at["passes"], &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, "https://")
	},
	"http3, kept": func(at map[string]string) func() error { return overHTTP3(at["quic"], true) },
	"http3, new":  func(at map[string]string) func() error { return overHTTP3(at["quic"], false) },
	"tcp": func(at map[string]string) func() error {
		return httpClient(at["tunnel"], &http.Transport{DisableKeepAlives: true}, "http://")
	},
	"udp":  func(at map[string]string) func() error { return datagrams(at["dns"]) },
	"flow": func(at map[string]string) func() error { return datagrams(at["flows"]) },
	"ftp":  func(at map[string]string) func() error { return func() error { return ftpSession(at["ftp"]) } },
}

func httpClient(address string, transport *http.Transport, scheme string) func() error {
	client := &http.Client{Timeout: 5 * time.Second, Transport: transport}
	return func() error {
		response, err := client.Get(scheme + address + "/")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		io.Copy(io.Discard, response.Body)
		if response.StatusCode != 200 {
			return fmt.Errorf("status %d", response.StatusCode)
		}
		return nil
	}
}

// overHTTP3 asks on one connection, or on a new one each time.
func overHTTP3(address string, isKept bool) func() error {
	var transport *http3.Transport
	return func() error {
		if transport == nil || !isKept {
			transport = &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		r, _ := http.NewRequestWithContext(ctx, "GET", "https://"+address+"/", nil)
		response, err := transport.RoundTrip(r)
		if err == nil {
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if response.StatusCode != 200 {
				err = fmt.Errorf("status %d", response.StatusCode)
			}
		}
		if err != nil || !isKept {
			transport.Close()
			transport = nil
		}
		return err
	}
}

// datagrams asks from one socket, and again after 300 ms, as those who ask by datagrams must.
func datagrams(address string) func() error {
	var c net.Conn
	asked := 0
	return func() (err error) {
		if c == nil {
			if c, err = net.Dial("udp", address); err != nil {
				return err
			}
		}
		asked++
		question, answer := fmt.Sprintf("question %d", asked), make([]byte, 100)
		for range 5 {
			c.Write([]byte(question))
			c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
			for {
				n, err := c.Read(answer)
				if err != nil {
					break
				}
				if string(answer[:n]) == question {
					return nil
				}
			}
		}
		return errors.New("no answer")
	}
}

// ftpSession logs in, asks something and leaves.
func ftpSession(address string) error {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	r := bufio.NewReader(c)
	for _, step := range []struct{ say, hear string }{{"", "220"}, {"USER anna", "331"}, {"PASS x", "230"}, {"NOOP", "200"}, {"QUIT", "221"}} {
		if step.say != "" {
			io.WriteString(c, step.say+"\r\n")
		}
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, step.hear) {
			return fmt.Errorf("%s: %q, %v", step.say, line, err)
		}
	}
	return nil
}

// behave has good clients ask until stopped, n of them in each of the ways.
func behave(at map[string]string, n int, ways ...string) *good {
	g := &good{stop: make(chan struct{})}
	for _, way := range ways {
		for range n {
			ask := goods[way](at)
			g.done.Go(func() {
				for {
					select {
					case <-g.stop:
						return
					case <-time.After(5 * time.Millisecond):
					}
					began := time.Now()
					err := ask()
					took := time.Since(began)
					g.mu.Lock()
					g.took = append(g.took, took)
					if err != nil {
						g.failed++
						g.last = err
					}
					g.mu.Unlock()
				}
			})
		}
	}
	return g
}

// noticed is what good clients notice.
type noticed struct {
	p99           time.Duration
	asked, failed int
	err           error // of those that failed, one
}

func (n noticed) String() string {
	return fmt.Sprintf("p99 %v, %d of %d failed", n.p99.Round(10*time.Microsecond), n.failed, n.asked)
}

func (g *good) end() noticed {
	close(g.stop)
	g.done.Wait()
	slices.Sort(g.took)
	n := noticed{asked: len(g.took), failed: g.failed, err: g.last}
	if len(g.took) > 0 {
		n.p99 = g.took[len(g.took)*99/100]
	}
	return n
}
