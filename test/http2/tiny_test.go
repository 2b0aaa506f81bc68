package http2

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// What a server streams may be any number of tiny frames: it is not the one who makes weir work for nothing.
func TestServersMayStreamTinyFrames(t *testing.T) {
	const frames = 30_000
	var content []byte // DATA frames of a byte
	for i := range frames {
		content = append(content, 0, 0, 1, 0, 0, 0, 0, 0, 1, byte('a'+i%26))
	}
	content = append(content, 0, 0, 0, 0, 1, 0, 0, 0, 1)
	s := newRawServer(t, func(c *rawConn, id uint32) {
		c.locked(func() error {
			c.Conn.Write([]byte{0, 0, 1, 1, 4, 0, 0, 0, byte(id), 0x88}) // HEADERS of ":status: 200"
			_, err := c.Conn.Write(content)
			return err
		})
	})
	w := newWorld(t, fmt.Sprintf("pools: { app: { servers: [%q], protocol: h2c } }\nsites: { \"*\": app }\n", s.address))
	client := &http.Client{Timeout: 20 * time.Second}
	response, err := client.Get("http://" + w.clear + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if n, err := io.Copy(io.Discard, response.Body); n != frames || err != nil {
		t.Errorf("%d of %d bytes came: %v", n, frames, err)
	}
}
