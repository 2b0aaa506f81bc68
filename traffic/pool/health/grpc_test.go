package health

import (
	"io"
	"net"
	"net/http"
	"testing"
)

func TestGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		question, _ := io.ReadAll(r.Body)
		if r.URL.Path != grpcHealth || r.Header.Get("Content-Type") != "application/grpc" || r.Header.Get("Te") != "trailers" {
			w.WriteHeader(400)
			return
		}
		w.Header().Set("Trailer", "Grpc-Status")
		switch string(question) {
		case "\x00\x00\x00\x00\x00", "\x00\x00\x00\x00\x06\x0a\x04good":
			io.WriteString(w, "\x00\x00\x00\x00\x02\x08\x01")
		case "\x00\x00\x00\x00\x05\x0a\x03bad":
			io.WriteString(w, "\x00\x00\x00\x00\x02\x08\x02")
		case "\x00\x00\x00\x00\x09\x0a\x07unknown":
			io.WriteString(w, "\x00\x00\x00\x00\x00")
		default:
			w.Header().Set("Grpc-Status", "12")
			return
		}
		w.Header().Set("Grpc-Status", "0")
	})}
	s.Protocols.SetUnencryptedHTTP2(true)
	go s.Serve(l)
	defer s.Close()
	address := l.Addr().String()
	for path, want := range map[string]string{"": "", "/": "", "/good": "", "/bad": "NOT_SERVING", "/unknown": "UNKNOWN", "/none": "has no grpc.health.v1.Health"} {
		wants(t, "service "+path, check(t, address, Config{Type: "grpc", Path: path}), want)
	}
	wants(t, "no server", check(t, "127.0.0.1:1", Config{Type: "grpc"}), "connect")
}
