package config

import (
	"net/netip"
	"reflect"
)

// Match is what a request must be besides its path; all that is written must hold.
type Match struct {
	// Any of these methods.
	Methods []string `yaml:"methods" example:"[GET, HEAD]"`

	// Header fields by name, each with the value it must have: a text, `~` and an RE2 expression, or `*` for any value.
	Headers []FieldMatch `yaml:"headers,named" example:"{ X-Canary: \"yes\", User-Agent: \"~^curl/\" }"`

	// Query parameters by name, likewise.
	Query []FieldMatch `yaml:"query,named" example:"{ debug: \"*\" }"`

	// Any of these client networks.
	Clients []netip.Prefix `yaml:"clients" example:"[10.0.0.0/8]"`

	// Fields of the client's certificate, likewise: `subject`, `issuer`, `san` (one of the alternative names must do), `serial`, `fingerprint` (SHA-256, in
	// hex). Without a certificate nothing matches.
	ClientCert []FieldMatch `yaml:"client_cert,named" example:"{ subject: \"~CN=ops-\", san: spiffe://example.com/ops }"`

	// Any of these JA4 fingerprints of the client's TLS.
	JA4 []string `yaml:"ja4" example:"[t13d1516h2_8daaf6152771_02713d6af862]"`

	// Any of these networks, as where the client wanted to go: the address it connected to, or with `capture` the original one.
	Destinations []netip.Prefix `yaml:"destinations" example:"[192.0.2.0/24]"`

	// Any of these ports, likewise.
	Ports []Ports `yaml:"ports" example:"[80, 8000-8099]"`

	// An expression.
	When Later `yaml:"when"`
}

// IsEmpty reports whether every request matches. A new condition goes in here; a test holds it.
func (m *Match) IsEmpty() bool {
	return len(m.Methods)+len(m.Headers)+len(m.Query)+len(m.Clients)+len(m.ClientCert)+len(m.JA4)+len(m.Destinations)+len(m.Ports) == 0
}

// FieldMatch is a header field or query parameter and the value it must have.
type FieldMatch struct {
	// The name.
	Name string `yaml:"-,name"`

	// The value: a text, `~` and an RE2 expression, or `*` for any.
	Value Pattern `yaml:"value,short" example:"\"yes\""`
}

// covers reports whether m holds for every request for which other holds; it may say no where the answer is yes.
func (m *Match) covers(other *Match) bool { return m.IsEmpty() || m.equals(other) }

func (m *Match) equals(other *Match) bool { return reflect.DeepEqual(m, other) }
