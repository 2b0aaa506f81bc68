package snapshot

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/control/config"
)

// Every condition that the file can have reaches the index, and is known where routes are compared: a route behind one with the condition can match,
// and a second one with the same condition cannot.
func TestEveryConditionOfTheFileCountsBeforeAnotherRoute(t *testing.T) {
	n := 0
	for _, o := range config.Describe() {
		for _, k := range o.Keys {
			if o.Name != "Match" || k.Kind == config.KindAny {
				continue
			}
			n++
			with := fmt.Sprintf("{ match: { %s: %s }, respond: { body: a } }", k.Name, k.Example)
			for second, want := range map[string]bool{"{ respond: { body: b } }": false, with: true} {
				text := fmt.Sprintf("listeners: { l: { address: \":80\", capture: tproxy } }\nsites:\n  a:\n    tls: { client_auth: { ca: ca.pem, verify: optional } }\n    /*:\n      - %s\n      - %s\n", with, second)
				cfg, problems := config.Parse("weir.yaml", []byte(text))
				if len(problems.Errors()) > 0 {
					t.Fatalf("%s\n%v", text, problems)
				}
				_, more := BuildSites(cfg, nil)
				if got := strings.Contains(fmt.Sprint(append(problems, more...)), "can never match"); got != want {
					t.Errorf("match.%s before %s: can never match: %v, want %v", k.Name, second, got, want)
				}
			}
		}
	}
	if n < 8 {
		t.Errorf("found %d conditions", n)
	}
}
