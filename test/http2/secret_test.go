package http2

import (
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// RFC 7541 section 6.2.3: a field that a peer sends as one that is never to be indexed goes on as such, in both directions. Others do not become so, but for those
// whose values are secrets by their names.
func TestFieldsThatAreNeverToBeIndexedStaySo(t *testing.T) {
	asked := make(chan []hpack.HeaderField, 1)
	s := newRawServer(t, nil)
	s.head = func(c *rawConn, f *http2.MetaHeadersFrame) {
		asked <- f.Fields
		c.locked(func() error {
			c.block.Reset()
			for _, field := range []hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "x-plain", Value: "a"}, {Name: "x-token", Value: "b", Sensitive: true},
				{Name: "etag", Value: "c", Sensitive: true}, {Name: "set-cookie", Value: "d=e"}} {
				c.hpack.WriteField(field)
			}
			return c.WriteHeaders(http2.HeadersFrameParam{StreamID: f.StreamID, BlockFragment: c.block.Bytes(), EndHeaders: true, EndStream: true})
		})
	}
	w := proxyTo(t, s.address, "")
	c := w.dial(w.secure)
	for _, f := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: "localhost"}, {Name: ":path", Value: "/", Sensitive: true},
		{Name: "x-api-key", Value: "k", Sensitive: true}, {Name: "x-plain", Value: "a"}, {Name: "user-agent", Value: "u", Sensitive: true}, {Name: "accept", Value: "*/*"}, {Name: "cookie", Value: "a=b"}} {
		c.hpack.WriteField(f)
	}
	c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.block.Bytes(), EndHeaders: true, EndStream: true})
	check := func(where string, fields []hpack.HeaderField, want map[string]bool) {
		t.Helper()
		for _, f := range fields {
			if secret, isKnown := want[f.Name]; isKnown && f.Sensitive != secret {
				t.Errorf("%s: %s: %s: never to be indexed: %v", where, f.Name, f.Value, f.Sensitive)
			}
			delete(want, f.Name)
		}
		if len(want) > 0 {
			t.Errorf("%s: %v are missing in %v", where, want, fields)
		}
	}
	select {
	case fields := <-asked:
		check("request", fields, map[string]bool{"x-api-key": true, "x-plain": false, "user-agent": true, "accept": false, "cookie": true})
	case <-time.After(10 * time.Second):
		t.Fatal("no request came")
	}
	c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if f, isHead := f.(*http2.MetaHeadersFrame); isHead {
			check("answer", f.Fields, map[string]bool{"x-plain": false, "x-token": true, "etag": true, "set-cookie": true})
			return
		}
	}
}
