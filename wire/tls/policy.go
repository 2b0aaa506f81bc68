package tls

import "crypto/tls"

// Policy is what a listener asks of clients. Immutable but for the keys of its tickets.
type Policy struct {
	Config *tls.Config
	QUIC   *tls.Config // the same for HTTP/3; nil: it is not spoken
	Auth   string      // names the authorities whose certificates clients are asked for; "": none are asked for
	Label  string      // equal for policies under which each other's sessions may go on; see Tickets
}

// NewPolicy makes a policy by which a listener's clients are met with what get chooses. Versions below minVersion are refused; the rest is what all policies
// have in common.
func NewPolicy(label string, minVersion uint16, protocols []string, get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *Policy {
	return &Policy{Label: label, Config: &tls.Config{MinVersion: minVersion, NextProtos: protocols, CipherSuites: suites, DynamicRecordSizingDisabled: true,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert, err := get(hello)
			return offLoop(cert, hello.Conn), err
		}}}
}

// AllowQUIC has HTTP/3 spoken under the policy too. Call it when Config is complete.
func (p *Policy) AllowQUIC() {
	p.QUIC = p.Config.Clone()
	p.QUIC.NextProtos, p.QUIC.MinVersion = []string{"h3"}, tls.VersionTLS13
}

// suites are those of TLS 1.2: forward secret and authenticated. Those with CBC, which Go still offers, have had their attacks. The groups are Go's own choice,
// which begins with the hybrid of X25519 and ML-KEM; those of TLS 1.3 cannot be chosen.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}
