package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A secret that stands in the file is in no message: neither where the message is about it, nor where its line stands above another, nor where the key that
// holds it is mistyped or the file is not YAML.
func TestNoMessageShowsASecret(t *testing.T) {
	const secret = "hunter2-hunter2-hunter2"
	for name, text := range map[string]string{
		"the line itself":  "admin: { tokens: { deploy: " + secret + ", deploy: x } }\n",
		"the line above":   "admin: { tokens: { deploy: " + secret + " } }\nsitez: {}\n",
		"a mistyped key":   "admin:\n  tokns: { token: " + secret + " }\n",
		"no YAML":          "admin:\n  token: " + secret + "\n  : [\n",
		"an own form":      "admin:\n  tokens:\n    deploy: { token: " + secret + ", tokem: 1 }\n",
		"a header":         "sites: { a.test: { /*: { respond: 204, request_headers: { set: { Authorization: " + secret + " }, sett: 1 } } } }\n",
		"a cookie's key":   "pools: { p: { servers: [127.0.0.1:1], persistence: { cookie: c, secret: " + secret + ", secrat: 1 } } }\n",
		"an authority":     "tls: { acme: { external_account: { id: a, key: " + secret + ", kex: 1 } } }\n",
		"a second problem": "admin: { tokens: { deploy: " + secret + " } }\npools: { p: { servers: [127.0.0.1:1], balance: { on: " + secret + " } } }\n",
	} {
		_, problems := Parse("weir.yaml", []byte(text))
		var shown strings.Builder
		problems.Write(&shown, false)
		if len(problems) == 0 || strings.Contains(shown.String(), secret) {
			t.Errorf("%s:\n%s", name, shown.String())
		}
	}
}

// A message about a secret is still of use: it shows where the secret comes from.
func TestMessagesShowWhereASecretComesFrom(t *testing.T) {
	t.Setenv("SHORT_TOKEN", "abcdefgh")
	_, problems := Parse("weir.yaml", []byte("admin: { tokens: { deploy: \"${SHORT_TOKEN}\" } }\n"))
	var shown strings.Builder
	problems.Write(&shown, false)
	if text := shown.String(); !strings.Contains(text, "${SHORT_TOKEN}") || strings.Contains(text, "abcdefgh") {
		t.Error(text)
	}
}

func TestAnEmptyFileIsAnError(t *testing.T) {
	for name, text := range map[string]string{"nothing": "", "blank": " \n\n", "comments": "# nothing yet\n", "a byte order mark": "\ufeff"} {
		if _, problems := Parse("weir.yaml", []byte(text)); len(problems.Errors()) == 0 || !strings.Contains(problems[0].Message, "the file is empty") {
			t.Errorf("%s: %v", name, problems)
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"weir.yaml": "include: [more.yaml]\nsites: { a.test: http://127.0.0.1:1 }\n", "more.yaml": "# nothing yet\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if cfg, problems := Load(filepath.Join(dir, "weir.yaml")); cfg == nil || len(problems.Warnings()) == 0 {
		t.Errorf("an empty included file: %v", problems)
	}
}

func TestAByteOrderMarkIsSkipped(t *testing.T) {
	cfg, problems := Parse("weir.yaml", []byte("\ufeffsites: { a.test: http://127.0.0.1:1 }\nsitez: 1\n"))
	if cfg != nil || len(problems.Errors()) != 1 || problems.Errors()[0].Pos.Line != 2 {
		t.Errorf("%v", problems)
	}
}
