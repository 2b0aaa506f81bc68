package http2

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
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
	judge(t, out, err, 146)
}

// h2specd is a server that breaks the rules, on a port for each rule, and has weir asked for it by curl.
func TestH2specdIsSatisfied(t *testing.T) {
	const rules = 57
	from := freeRange(t, rules+3)
	config := "defaults: { retries: off }\npools:\n"
	sites := "sites:\n  \"*\":\n"
	for port := from; port < from+rules+3; port++ {
		config += fmt.Sprintf("  p%d: { servers: [\"127.0.0.1:%d\"], protocol: h2c, eject: off }\n", port, port)
		sites += fmt.Sprintf("    /%d/*: p%d\n", port, port)
	}
	w := newWorld(t, config+sites)
	dir, err := toolsDir()
	if err != nil {
		t.Fatal(err)
	}
	ask := filepath.Join(w.dir, "ask")
	script := "#!/bin/sh\nexec curl -s -m 5 -o /dev/null \"http://" + w.clear + "/${1##*:}\"\n"
	if err := os.WriteFile(ask, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := run(t, filepath.Join(dir, "h2specd"), "-f", strconv.Itoa(from), "-e", ask, "-o", "2")
	judge(t, out, err, rules)
}

// freeRange finds n ports in a row that nobody uses, below those that the system gives to outgoing connections.
func freeRange(t *testing.T, n int) int {
	t.Helper()
	for range 50 {
		from, free := 20_000+100*rand.IntN(100), 0
		for ; free < n; free++ {
			l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(from+free))
			if err != nil {
				break
			}
			l.Close()
		}
		if free == n {
			return from
		}
	}
	t.Fatal("no range of ports is free")
	return 0
}

// judge wants all of so many tests run, and none of them failed.
func judge(t *testing.T, out string, err error, tests int) {
	t.Helper()
	counts := regexp.MustCompile(`(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed`).FindStringSubmatch(out)
	if counts == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	n := func(i int) int { v, _ := strconv.Atoi(counts[i]); return v }
	if n(1) != tests || n(2) < tests-1 || n(3) > 1 || n(4) > 0 {
		t.Errorf("%s:\n%s", counts[0], out)
	}
}
