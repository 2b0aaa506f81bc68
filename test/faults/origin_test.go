package faults

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// origin is a web server of Go's own in this process.
func origin(t *testing.T, name string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err == nil {
			fmt.Fprintf(w, "%s %d", name, n)
		}
	})
	// /drip/10/50ms is ten pieces of a kibibyte, 50 ms apart.
	mux.HandleFunc("/drip/{n}/{pause}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		pause, _ := time.ParseDuration(r.PathValue("pause"))
		for range n {
			io.WriteString(w, strings.Repeat(name[:1], 1024))
			w.(http.Flusher).Flush()
			time.Sleep(pause)
		}
	})
	mux.HandleFunc("/size/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		w.Header().Set("Content-Length", r.PathValue("n"))
		io.CopyN(w, zeros{}, int64(n))
	})
	mux.HandleFunc("/after/{pause}", func(w http.ResponseWriter, r *http.Request) {
		pause, _ := time.ParseDuration(r.PathValue("pause"))
		time.Sleep(pause)
		io.WriteString(w, name)
	})
	s := &http.Server{Handler: mux}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
