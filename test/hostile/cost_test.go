package hostile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// Sizes between which costs are compared. What costs in proportion costs sizeMost/sizeSmall as much.
const (
	sizeSmall = 7 << 10
	sizeMost  = 56 << 10
)

// What a message may cost: slopeMost times as much as its size has grown, and whatever its slope costMost, which is what all that looks at a head of sizeMost needs on a machine
// that is busy. Scanning one list for each of the other lines costs 64 times as much, and ten times costMost.
const (
	slopeMost = 2.5
	costMost  = 1500 * time.Microsecond
)

// costOf is what a letter costs weir: the least of several measurements, of which one that is not above enough is the last.
func (w *world) costOf(a *asker, open func(*world) (asker, error), m letter, enough time.Duration) time.Duration {
	least := time.Hour
	for try := 0; try < 5 && least > enough; try++ {
		const times = 4
		before := w.cpu()
		for range times {
			if *a == nil {
				var err error
				if *a, err = open(w); err != nil {
					w.t.Fatal(err)
				}
			}
			if err := (*a).ask(m); err != nil {
				(*a).close()
				*a = nil
			}
		}
		least = min(least, (w.cpu()-before)/times)
	}
	return least
}

// slope fails the test when a letter of eight times the size costs much more than eight times as much.
func (w *world) slope(t *testing.T, a *asker, open func(*world) (asker, error), of func(size int) letter, use func(m letter) letter) {
	large := w.costOf(a, open, use(of(sizeMost)), costMost)
	if large <= costMost {
		return
	}
	small := w.costOf(a, open, use(of(sizeSmall)), 0)
	if large > time.Duration(slopeMost*sizeMost/sizeSmall*float64(small)) {
		t.Errorf("%v at %d bytes, %v at %d", small, sizeSmall, large, sizeMost)
	}
}

// requestFields are fields of requests that something in weir may look at. Those of a connection are for HTTP/1.1 alone.
var requestFields = strings.Fields(`connection keep-alive proxy-connection te upgrade http2-settings trailer accept accept-charset accept-encoding accept-language authorization
	cache-control content-type cookie early-data expect forwarded grpc-timeout if-match if-modified-since if-none-match if-range origin pragma priority range referer
	sec-fetch-mode sec-websocket-key user-agent via x-forwarded-for x-forwarded-host x-forwarded-proto x-none x-request-deadline x-removed`)

// responseFields are those of responses.
var responseFields = strings.Fields(`connection keep-alive proxy-connection upgrade trailer alt-svc cache-control content-location content-type date etag grpc-status link
	location refresh retry-after server set-cookie vary via www-authenticate x-accel-buffering x-removed`)

// letters are messages by what is large in them.
func letters(names []string) map[string]func(size int) letter {
	all := map[string]func(size int) letter{
		"lines": func(size int) letter {
			var m letter
			for i := range linesMost * size / sizeMost {
				m.fields = append(m.fields, fmt.Sprintf("x-%d: %s", i, strings.Repeat("v", sizeMost/linesMost-20)))
			}
			return m
		},
		"trailers": func(size int) letter {
			m := letter{fields: []string{"trailer: " + styles["items"](size)}, trailers: []string{}}
			for i := range linesMost * size / sizeMost {
				m.trailers = append(m.trailers, fmt.Sprintf("x-%d: %s", i, strings.Repeat("v", 40)))
			}
			return m
		},
	}
	for _, name := range names {
		for style := range styles {
			all[name+", "+style] = field(name, style)
		}
		all[name+", often"] = many(name, "items")
	}
	return all
}

// targets are requests whose target is large: up to what a target may have.
var targets = map[string]func(size int) letter{
	"path":     func(size int) letter { return letter{target: "/" + strings.Repeat("a/", size/8)} },
	"dots":     func(size int) letter { return letter{target: "/" + strings.Repeat("a/./b/../", size/36)} },
	"escapes":  func(size int) letter { return letter{target: "/" + strings.Repeat("%41%20", size/24)} },
	"query":    func(size int) letter { return letter{target: "/?" + strings.Repeat("a=b&", size/16)} },
	"encoded":  func(size int) letter { return letter{target: "/?" + strings.Repeat("%41=%42&", size/32)} },
	"one name": func(size int) letter { return letter{target: "/?" + strings.Repeat("a", size/4)} },
}

// A client pays in bytes for the work that it causes: what costs weir more than in proportion to its size is a way to stop it with little.
func TestARequestCostsInProportionToItsSize(t *testing.T) {
	replies := &answers{}
	w := start(t, everything("http1 "+serveHTTP1(t, replies)))
	all := letters(requestFields)
	maps.Copy(all, targets)
	for version, open := range versions {
		t.Run(version, func(t *testing.T) {
			var a asker
			for _, name := range slices.Sorted(maps.Keys(all)) {
				t.Run(name, func(t *testing.T) { w.slope(t, &a, open, all[name], func(m letter) letter { return m }) })
			}
		})
	}
}

// Servers are no better than clients: one that was taken over must not stop the others' traffic.
func TestAResponseCostsInProportionToItsSize(t *testing.T) {
	dir := t.TempDir()
	if _, err := peers.NewCertificate(dir); err != nil {
		t.Fatal(err)
	}
	all := letters(responseFields)
	for _, server := range []string{"http1", "http2", "http3"} {
		replies := &answers{}
		at := ""
		switch server {
		case "http1":
			at = serveHTTP1(t, replies)
		case "http2":
			at = serveHTTP2(t, replies)
		case "http3":
			at = serveHTTP3(t, replies, dir)
		}
		w := start(t, strings.ReplaceAll(everything(server+" "+at), "ca: DIR", "ca: "+dir))
		for _, client := range []string{"http1", "http2"} {
			t.Run("server of "+server+", client of "+client, func(t *testing.T) {
				var a asker
				for _, name := range slices.Sorted(maps.Keys(all)) {
					t.Run(name, func(t *testing.T) {
						w.slope(t, &a, versions[client], all[name], func(m letter) letter {
							replies.set(m)
							return letter{fields: []string{"te: trailers"}}
						})
					})
				}
			})
		}
	}
}
