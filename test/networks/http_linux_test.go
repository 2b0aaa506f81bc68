package networks

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// web runs a web server on the host that says its name, who asked, and over how many connections it was asked so far.
func (h *host) web(address string) {
	h.t.Helper()
	l := h.listen("tcp", address)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/size" {
			w.Header().Set("Content-Length", fmt.Sprint(3<<20))
			w.Write(make([]byte, 3<<20))
			return
		}
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintf(w, "%s was asked by %s %s", h.name, host, r.Header.Get("X-To"))
	})}
	go s.Serve(l)
	h.t.Cleanup(func() { s.Close() })
}

// get asks for a URL on a connection of its own.
func (h *host) get(url string) string {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(_ context.Context, network, address string) (net.Conn, error) { return h.dial(network, address) }}}
	response, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	return text(response)
}

// text is the status and body of an answer.
func text(response *http.Response) string {
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", response.StatusCode, body))
}

// dialFrom connects from one of the host's addresses.
func (h *host) dialFrom(from, to string) (c net.Conn, err error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 3 * time.Second}
	err = h.try(func() (err error) {
		c, err = d.Dial("tcp", to)
		return err
	})
	if err == nil {
		c.SetDeadline(time.Now().Add(10 * time.Second))
	}
	return c, err
}
