package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/certs"
	"github.com/weir-proxy/weir/control/certs/authority"
)

func trustOutput(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c := trustCommand()
	c.SetOut(&out)
	c.SetErr(&out)
	c.SetArgs(args)
	err := c.Execute()
	return out.String(), err
}

func TestTrustPrintsTheRootThatServes(t *testing.T) {
	data := t.TempDir()
	if out, err := trustOutput(t, "--print", "--data", data); err == nil || strings.Contains(out, "BEGIN") {
		t.Errorf("there is no root, and it printed %q", out)
	}
	if _, err := authority.Open(certs.AuthorityDirectory(data), time.Now); err != nil {
		t.Fatal(err)
	}
	out, err := trustOutput(t, "--print", "--data", data)
	if err != nil {
		t.Fatal(err)
	}
	if kept, _ := os.ReadFile(authority.RootFile(certs.AuthorityDirectory(data))); out != string(kept) {
		t.Errorf("printed %q, kept is %q", out, kept)
	}
}
