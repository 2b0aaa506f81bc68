package cli

import (
	"strings"
	"testing"
)

func TestWrongUsageSaysWhatToWrite(t *testing.T) {
	for args, want := range map[string]string{
		"drain":                    "SERVER is missing; usage: weir drain SERVER",
		"weight":                   "SERVER and N are missing; usage: weir weight SERVER N",
		"weight 10.0.0.1:80":       "N is missing",
		"weight 10.0.0.1:80 -1":    "the weight: expected a number from 0 to 1000, not -1",
		"weight 10.0.0.1:80 -x":    "unknown shorthand flag",
		"check weir.yaml":          `unexpected argument "weir.yaml"; usage: weir check [-c weir.yaml]`,
		"statsu":                   `unknown command "statsu"; did you mean "status"?`,
		"help statsu":              `unknown command "statsu"; did you mean "status"?`,
		"help certs revok":         `unknown command "certs revok"; did you mean "revoke"?`,
		"certs revok a.example":    `unknown command "certs revok"; did you mean "revoke"?`,
		"completion tcsh":          `unknown command "completion tcsh"; did you mean "`,
		"completion nushell":       `unknown command "completion nushell"; there are bash, fish, powershell, zsh`,
		"kill":                     "SERVER|CLIENT is missing",
		"certs revoke":             "NAME is missing",
		"status --address ftp://x": "host:port",
	} {
		status, out, errs := run(t, Program{}, good, strings.Fields(args)...)
		if status == 0 || status == 1 && !strings.HasPrefix(args, "status") || out != "" || !strings.Contains(errs, want) {
			t.Errorf("weir %s: status %d, want %q in\n%s%s", args, status, want, out, errs)
		}
	}
	for _, args := range []string{"help", "help certs", "help certs revoke", "certs", "completion", "completion bash"} {
		if status, out, errs := run(t, Program{}, good, strings.Fields(args)...); status != 0 || out == "" || errs != "" {
			t.Errorf("weir %s: status %d\n%s", args, status, errs)
		}
	}
}
