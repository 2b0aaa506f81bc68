package lifecycle

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A plan is refused where the reload would be for an address: of UDP for HTTP/3 as well, and of a Unix socket.
func TestPlansTryAddresses(t *testing.T) {
	const more = `
sites: { "*": { respond: 404 } }
logs: { access: off }`
	const plain = `listeners: { a: "FRONT" }` + more
	const http3 = `listeners: { a: "FRONT", b: { address: "SECOND", tls: on } }` + more
	r := startReloadable(t, plain)
	taken, err := net.ListenPacket("udp", r.second)
	if err != nil {
		t.Fatal(err)
	}
	r.agree("a UDP port that is taken", http3, "listener b: UDP, for HTTP/3: listen")
	r.agree("HTTP/2 alone", `listeners: { a: "FRONT", b: { address: "SECOND", tls: on, http: { versions: [http1, http2] } } }`+more, "")
	said := ""
	for _, w := range r.agree("an open listener", http3, "") {
		said += w.String()
	}
	if !strings.Contains(said, "listeners.b: warning: HTTP/3 would not be spoken: UDP, for HTTP/3: listen") {
		t.Errorf("the plan warns of %q", said)
	}
	taken.Close()
	r.agree("the port is free", plain, "")
	r.agree("the port is free", http3, "")
	r.agree("its own port", http3, "")
	r.agree("nothing", plain, "")
	r.agree("a listener that drains", http3, "")

	r.agree("a Unix socket whose directory is missing", `listeners: { a: "FRONT", s: "unix:DIR/none/s" }`+more, "no such file or directory")
	if err := os.WriteFile(filepath.Join(r.dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.agree("a file in the place of a Unix socket", `listeners: { a: "FRONT", s: "unix:DIR/file" }`+more, "address already in use")
	other, err := net.Listen("unix", filepath.Join(r.dir, "other"))
	if err != nil {
		t.Fatal(err)
	}
	r.agree("a Unix socket of another process", `listeners: { a: "FRONT", s: "unix:DIR/other" }`+more, "address already in use")
	other.(*net.UnixListener).SetUnlinkOnClose(false)
	other.Close()
	r.agree("a Unix socket that was left", `listeners: { a: "FRONT", s: "unix:DIR/other" }`+more, "")
}
