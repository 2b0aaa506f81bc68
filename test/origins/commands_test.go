package origins

import (
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/test/peers"
)

// startCommand starts weir with a command that needs no file.
func startCommand(t *testing.T, args []string, addresses ...string) {
	t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	p, err := peers.Start("weir", t.TempDir(), exec.Command(binary, args...), addresses...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestDemoAnswers(t *testing.T) {
	a, err := peers.FreeAddresses(2)
	if err != nil {
		t.Fatal(err)
	}
	startCommand(t, []string{"demo", "--listen", a[0], "--admin", a[1]}, a...)
	seen := map[string]bool{}
	for range 8 {
		_, body := get(t, "http://"+a[0]+"/")
		color, _, _ := strings.Cut(body, ":")
		seen[color] = true
	}
	if len(seen) != 2 || !seen["red"] || !seen["blue"] {
		t.Errorf("answers of %v, want red and blue", seen)
	}
	if status, body := get(t, "http://"+a[0]+"/hello"); status != 200 || body != "hello from weir itself\n" {
		t.Errorf("/hello: %d %q", status, body)
	}
	if status, _ := get(t, "http://"+a[1]+"/readyz"); status != 200 {
		t.Errorf("/readyz: %d", status)
	}
}

func TestProxyAnswers(t *testing.T) {
	a, err := peers.FreeAddresses(2)
	if err != nil {
		t.Fatal(err)
	}
	startCommand(t, []string{"demo", "--listen", a[0], "--admin", "off"}, a[0])
	startCommand(t, []string{"proxy", "--listen", a[1], "http://" + a[0]}, a[1])
	if status, body := get(t, "http://"+a[1]+"/hello"); status != 200 || body != "hello from weir itself\n" {
		t.Errorf("/hello: %d %q", status, body)
	}
}
