package http2

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// The answer must not come before the request has ended, or what is wrong with the rest of it is nobody's business any more: a server reads first.
func TestH2specIsSatisfied(t *testing.T) {
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "hello")
	}))
	w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q] }\nsites:\n  \"*\": app\n", at))
	dir, err := toolsDir()
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(w.secure)
	out, err := run(t, filepath.Join(dir, "h2spec"), "-h", host, "-p", port, "-t", "-k", "-S", "-o", "2")
	counts := regexp.MustCompile(`(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed`).FindStringSubmatch(out)
	if counts == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	n := func(i int) int { v, _ := strconv.Atoi(counts[i]); return v }
	if n(1) != 146 || n(2) < 145 || n(3) > 1 || n(4) > 0 {
		t.Errorf("%s:\n%s", counts[0], out)
	}
}
