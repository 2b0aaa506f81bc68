package snapshot

import (
	"fmt"
	"slices"
	"testing"

	"github.com/weir-proxy/weir/control/config"
)

func TestProblemsOfTLSAreToldOnceWhereTheyAreWritten(t *testing.T) {
	cfg, problems := config.Parse("weir.yaml", []byte(`
listeners:
  a: { address: "127.0.0.1:1", tls: { certificates: [{ cert: none/a.pem, key: none/a.key }] } }
  b: { address: "127.0.0.1:2", tls: on }
tls: { certificates: [{ cert: none/c.pem, key: none/c.key }], client_auth: none/clients.pem, acme: off }
sites: { a.test: { tls: { client_auth: [none/more.pem] }, respond: 200 } }
admin: off
data: none
`))
	if cfg == nil {
		t.Fatal(problems)
	}
	_, problems = Build(cfg, nil, 1)
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprint(p.Pos.Line, " ", p.Path))
	}
	slices.Sort(got)
	if want := []string{"3 listeners.a.tls.certificates[0]", "5 tls.certificates[0]", "5 tls.client_auth.ca[0]", `6 sites."a.test".tls.client_auth.ca[0]`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// In clear text alone, a file of authorities that cannot be read refuses the configuration, too.
func TestAuthoritiesThatCannotBeReadAreRefusedInClearText(t *testing.T) {
	cfg, problems := config.Parse("weir.yaml", []byte(`{ listeners: { a: "127.0.0.1:1" }, tls: { client_auth: none/clients.pem }, sites: { a.test: { respond: 200 } }, admin: off }`))
	if cfg == nil {
		t.Fatal(problems)
	}
	if out, problems := Build(cfg, nil, 1); out != nil || len(problems.Errors()) != 1 {
		t.Errorf("%v", problems)
	}
}
