package exchange

import (
	"testing"

	"github.com/weir-proxy/weir/traffic/transport"
)

func TestOldDevicesAreServedWhereTheyAreTolerated(t *testing.T) {
	for answer, body := range map[string]string{
		"HTTP/1.1 200 OK\nContent-Length: 5\nX-Old: yes\n\nhello":                                          "hello",
		"HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello":                                                "hello",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello":                           "hello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5   \r\nhello\r\n0\r\n\r\n":                  "hello",
		"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n":                                   "hello",
		"HTTP/1.1 999 Request denied\r\nContent-Length: 5\r\n\r\nhello":                                    "hello",
		"HTTP/1.1 103 Early Hints\nLink: </a>; rel=preload\n\nHTTP/1.1 200 OK\nContent-Length: 5\n\nhello": "hello",
	} {
		for _, tolerant := range []bool{true, false} {
			inWorld(t, servers(plain(map[string]string{"/": answer})), func(w *world) {
				w.route.Destination.Transport = &transport.Config{Tolerant: tolerant}
				c := w.client()
				c.send(getting("/"))
				want := 502
				if tolerant {
					if want = 200; answer[9] == '9' {
						want = 999
					}
				}
				status, got, _ := c.answer("GET")
				for status == 103 {
					status, got, _ = c.answer("GET")
				}
				if status != want || tolerant && string(got) != body {
					t.Errorf("tolerant %v, %q: got %d %q", tolerant, answer, status, got)
				}
				c.Close()
			})
		}
	}
}
