package http2

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// interopCases are those of https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md that need no credentials of Google's.
var interopCases = []string{"empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream", "timeout_on_sleeping_server",
	"cancel_after_begin", "cancel_after_first_response", "status_code_and_message", "special_status_message", "unimplemented_method",
	"unimplemented_service", "custom_metadata"}

// grpcServer starts gRPC's own server; dir has its client, too.
func grpcServer(t *testing.T) (dir, address string) {
	t.Helper()
	dir, err := toolsDir()
	if err != nil {
		t.Fatal(err)
	}
	address, err = peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	server, err := peers.Start("grpc-server", t.TempDir(), exec.Command(filepath.Join(dir, "server"), "-port", peers.Port(address)), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	return dir, address
}

func TestEveryInteropCaseOfGRPCPasses(t *testing.T) {
	dir, address := grpcServer(t)
	w := newWorld(t, fmt.Sprintf("pools:\n  grpc: { servers: [%q], protocol: h2c}\nsites:\n  \"*\": grpc\n", address))
	interop(t, "clear", dir, w.clear)
	interop(t, "tls", dir, w.secure, "-use_tls", "-ca_file", filepath.Join(w.dir, "cert.pem"), "-use_test_ca", "-server_host_override", "localhost")
}

// gRPC itself does not speak HTTP/3: a second weir does, and the calls go through both roles of it.
func TestEveryInteropCaseOfGRPCPassesOverHTTP3(t *testing.T) {
	dir, address := grpcServer(t)
	inner := newWorld(t, fmt.Sprintf("pools:\n  grpc: { servers: [%q], protocol: h2c}\nsites:\n  \"*\": grpc\n", address))
	outer := newWorld(t, fmt.Sprintf("pools:\n  inner: { servers: [%q], protocol: http3, tls: { ca: %q, server_name: localhost } }\nsites:\n  \"*\": inner\n",
		inner.secure, filepath.Join(inner.dir, "cert.pem")))
	interop(t, "http3", dir, outer.clear)
	calls, over := 0, 0
	for by := time.Now().Add(5 * time.Second); time.Now().Before(by) && (calls == 0 || calls != over); time.Sleep(50 * time.Millisecond) {
		log, _ := os.ReadFile(inner.Log) // it is written from time to time
		calls, over = bytes.Count(log, []byte(`"method":"POST"`)), bytes.Count(log, []byte(`"version":"3.0"`))
	}
	if calls == 0 || calls != over {
		t.Errorf("%d of %d calls came over HTTP/3", over, calls)
	}
}

// interop has gRPC's own client in dir go through its cases at the address.
func interop(t *testing.T, name, dir, address string, more ...string) {
	host, port, _ := net.SplitHostPort(address)
	for _, c := range interopCases {
		t.Run(name+"/"+c, func(t *testing.T) {
			out, err := run(t, filepath.Join(dir, "client"), append([]string{"-server_host", host, "-server_port", port, "-test_case", c}, more...)...)
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// What weir itself has to say is said in gRPC to who speaks it.
func TestAnswersOfWeirsOwnAreGRPCs(t *testing.T) {
	slow := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(5 * time.Second):
		}
	}))
	w := newWorld(t, fmt.Sprintf("pools:\n  down: { servers: [127.0.0.1:1], protocol: h2c }\n  slow: { servers: [%q], protocol: h2c }\n"+
		"sites:\n  localhost:\n    /down: down\n    /slow: slow\n    /denied: { pool: slow, allow: [192.0.2.1] }\n", slow))
	for path, want := range map[string]string{"/down": "14", "/slow": "4", "/denied": "7", "/nowhere": "12"} {
		c := w.dial(w.clear)
		id, err := c.open(true, ":method: POST", ":scheme: http", ":authority: localhost", ":path: "+path, "content-type: application/grpc+proto", "te: trailers",
			"grpc-timeout: 200m")
		if err != nil {
			t.Fatal(err)
		}
		a, err := c.await(id)
		if err != nil || a.status != "200" || a.fields["grpc-status"] != want || len(a.body) > 0 {
			t.Errorf("%s: %+v %v, want grpc-status %s", path, a, err, want)
		}
	}
}

// A gRPC stream may be silent for much longer than a request or an answer may pause: before the server has answered, after it, with a route's own times and
// through HTTP/3. In the long variant nobody says anything for minutes, in which gRPC's server counts the PINGs that it gets.
func TestAQuietGRPCStreamLives(t *testing.T) {
	silence := "3s"
	if *soak {
		silence = "200s"
	}
	dir, address := grpcServer(t)
	times := "timeouts: { response: 1s, body: 1s }"
	inner := newWorld(t, fmt.Sprintf("pools:\n  grpc: { servers: [%q], protocol: h2c}\nsites:\n  \"*\": { /*: { pool: grpc, buffer: { request: 1MiB, response: 1MiB }, %s } }\n", address, times))
	outer := newWorld(t, fmt.Sprintf("pools:\n  inner: { servers: [%q], protocol: http3, tls: { ca: %q, server_name: localhost } }\nsites:\n  \"*\": { /*: { pool: inner, %s } }\n",
		inner.secure, filepath.Join(inner.dir, "cert.pem"), times))
	for name, at := range map[string]string{"http2": inner.clear, "http3": outer.clear} {
		t.Run(name, func(t *testing.T) {
			if out, err := run(t, filepath.Join(dir, "quiet"), "-address", at, "-silence", silence); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	short := newWorld(t, fmt.Sprintf("pools:\n  grpc: { servers: [%q], protocol: h2c}\nsites:\n  \"*\": { /*: { pool: grpc, timeouts: { stream: 2s } } }\n", address))
	if out, err := run(t, filepath.Join(dir, "quiet"), "-address", short.clear, "-silence", "4s"); err == nil {
		t.Errorf("a stream outlives the time that its route gives it\n%s", out)
	}
}
