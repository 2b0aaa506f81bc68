package http2

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A server that speaks gRPC and nothing else serves browsers.
func TestGRPCWebReachesAServerOfGRPC(t *testing.T) {
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.Header.Get("Content-Type") != "application/grpc+proto" || r.Header.Get("Te") != "trailers" {
			t.Errorf("the server saw %s %v", r.Proto, r.Header)
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/grpc+proto")
		w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
		for len(body) > 0 { // as it would come message by message
			n := min(len(body), 777)
			w.Write(body[:n])
			w.(http.Flusher).Flush()
			body = body[n:]
		}
		w.Header().Set("Grpc-Status", "0")
		w.Header().Set("Grpc-Message", "fine")
	}))
	w := newWorld(t, fmt.Sprintf("pools:\n  grpc: { servers: [%q], protocol: h2c }\n  down: { servers: [127.0.0.1:1], protocol: h2c }\n"+
		"sites:\n  \"*\": { grpc_web: on, /down: down, /*: grpc }\n", at))
	const trailers = "grpc-status: 0\r\ngrpc-message: fine\r\n"
	other := "grpc-message: fine\r\ngrpc-status: 0\r\n"
	for _, size := range []int{0, 5, 100, 4000, 100_000} {
		message := append([]byte{0, 0, 0, 0, 0}, bytes.Repeat([]byte("m"), size)...)
		for _, kind := range []string{"application/grpc-web+proto", "application/grpc-web-text+proto"} {
			isText := strings.Contains(kind, "text")
			sent := message
			if isText {
				sent = []byte(base64.StdEncoding.EncodeToString(message[:4]) + base64.StdEncoding.EncodeToString(message[4:]))
			}
			response, err := w.http().Post("https://localhost:"+port(w.secure)+"/svc/Call", kind, bytes.NewReader(sent))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(response.Body)
			response.Body.Close()
			if isText {
				got = decodeGroups(t, got)
			}
			ok := false
			for _, end := range []string{trailers, other} {
				ok = ok || bytes.Equal(got, append(append(bytes.Clone(message), 0x80, 0, 0, 0, byte(len(end))), end...))
			}
			if err != nil || !ok || response.Header.Get("Content-Type") != kind {
				t.Errorf("%s, %d bytes: %d came back, which end with %q, %v %v", kind, size, len(got), got[max(0, len(got)-60):], response.Header, err)
			}
		}
	}
	response, err := w.http().Post("https://localhost:"+port(w.secure)+"/down", "application/grpc-web+proto", bytes.NewReader([]byte{0, 0, 0, 0, 0}))
	if err != nil || response.Header.Get("Grpc-Status") != "14" || response.Header.Get("Content-Type") != "application/grpc-web" {
		t.Errorf("of a server that is down: %v %v", response, err)
	}
}

// decodeGroups decodes base64 that may be padded in its middle.
func decodeGroups(t *testing.T, b []byte) (out []byte) {
	t.Helper()
	for ; len(b) >= 4; b = b[4:] {
		three, err := base64.StdEncoding.DecodeString(string(b[:4]))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, three...)
	}
	if len(b) > 0 {
		t.Fatalf("%q is left", b)
	}
	return out
}
