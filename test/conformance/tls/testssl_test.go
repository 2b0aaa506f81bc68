package tls

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weir-proxy/weir/test/peers"
)

const examined = `
listeners: { front: { address: "FRONT", tls: { certificates: [{ cert: DIR/cert.pem, key: DIR/key.pem }] } }, other: "GUARDED" }
sites: { "*": { respond: { status: 200, headers: { Strict-Transport-Security: "max-age=31536000" } } } }
admin: off
logs: { access: off }
data: DIR/data
`

// testssl.sh examines protocols, suites, groups and known attacks. What it finds of low severity and above is a finding of ours.
func TestAnExaminerFindsNothing(t *testing.T) {
	examiner, err := exec.LookPath("testssl")
	if err != nil {
		t.Fatalf("%v; install it with: sudo make setup", err)
	}
	dir := t.TempDir()
	if _, err := peers.NewCertificate(dir); err != nil {
		t.Fatal(err)
	}
	_, front, _ := start(t, dir, examined)
	out := filepath.Join(dir, "found.json")
	cmd := exec.Command(examiner, "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--fast",
		"-p", "-s", "-f", "-P", "-U", "--jsonfile", out, front)
	text, _ := cmd.CombinedOutput() // its exit status counts findings
	content, err := os.ReadFile(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var findings []struct{ ID, Severity, Finding string }
	if err := json.Unmarshal(content, &findings); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	seen := map[string]int{}
	for _, f := range findings {
		seen[f.Severity]++
		switch f.Severity {
		case "OK", "INFO", "DEBUG", "WARN": // a warning is what this machine's OpenSSL cannot ask
		default:
			t.Errorf("%s: %s: %s", f.Severity, f.ID, f.Finding)
		}
	}
	if seen["OK"] < 20 {
		t.Errorf("it has looked at too little: %v\n%s", seen, text)
	}
}
