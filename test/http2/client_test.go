package http2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// client is a connection of HTTP/2 whose every frame is in the hands of the test.
type client struct {
	*http2.Framer
	t     *testing.T
	conn  net.Conn
	block bytes.Buffer
	hpack *hpack.Encoder
	next  uint32
}

func newClient(t *testing.T, conn net.Conn) *client {
	c := &client{t: t, conn: conn, next: 1, Framer: http2.NewFramer(conn, conn)}
	c.hpack = hpack.NewEncoder(&c.block)
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.AllowIllegalWrites = true
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	c.WriteSettings()
	return c
}

// encode is a header block of "name: value" lines.
func (c *client) encode(fields ...string) []byte {
	c.block.Reset()
	for _, f := range fields {
		at := strings.Index(f[1:], ": ") + 1
		c.hpack.WriteField(hpack.HeaderField{Name: f[:at], Value: f[at+2:]})
	}
	return c.block.Bytes()
}

// open sends a request's head on a new stream.
func (c *client) open(end bool, fields ...string) (id uint32, err error) {
	id = c.next
	c.next += 2
	return id, c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.encode(fields...), EndHeaders: true, EndStream: end})
}

// answer is what came on a stream.
type answer struct {
	status   string
	fields   map[string]string
	body     []byte
	trailers map[string]string
	reset    http2.ErrCode
	wasReset bool
}

// errGoAway says that the connection was ended by GOAWAY, whose code is in it.
type errGoAway struct{ code http2.ErrCode }

func (e errGoAway) Error() string { return "goaway: " + e.code.String() }

// await reads until a stream has ended, and gives room for what it reads.
func (c *client) await(id uint32) (a answer, err error) {
	c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		f, err := c.ReadFrame()
		if err != nil {
			return a, err
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				c.WriteSettingsAck()
			}
		case *http2.GoAwayFrame:
			if f.ErrCode != http2.ErrCodeNo {
				return a, errGoAway{f.ErrCode}
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				c.WritePing(true, f.Data)
			}
		}
		if f.Header().StreamID != id {
			continue
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			a.take(f)
		case *http2.DataFrame:
			a.body = append(a.body, f.Data()...)
			if n := len(f.Data()); n > 0 {
				c.WriteWindowUpdate(0, uint32(n))
				c.WriteWindowUpdate(id, uint32(n))
			}
		case *http2.RSTStreamFrame:
			a.reset, a.wasReset = f.ErrCode, true
			return a, nil
		}
		if f.Header().Flags.Has(http2.FlagDataEndStream) && (f.Header().Type == http2.FrameData || f.Header().Type == http2.FrameHeaders) {
			return a, nil
		}
	}
}

func (a *answer) take(f *http2.MetaHeadersFrame) {
	into := map[string]string{}
	for _, h := range f.RegularFields() {
		into[h.Name] = h.Value
	}
	if status := f.PseudoValue("status"); status != "" {
		a.status, a.fields = status, into
	} else {
		a.trailers = into
	}
}

// ended reads until weir ends the connection, and says how.
func (c *client) ended(within time.Duration) error {
	c.conn.SetReadDeadline(time.Now().Add(within))
	last := error(errors.New("closed without GOAWAY"))
	for {
		f, err := c.ReadFrame()
		if g, ok := f.(*http2.GoAwayFrame); ok {
			last = errGoAway{g.ErrCode}
		}
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return err
		case err != nil:
			return last
		}
	}
}

func get(path string) []string {
	return []string{":method: GET", ":scheme: https", ":authority: localhost", ":path: " + path}
}
