package health

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// encrypt does a TLS handshake; the certificate is verified as Config.TLS says, by the host's name without a ServerName.
func encrypt(ctx context.Context, p *probe) error {
	if p.isReused {
		return nil
	}
	conn := tls.Client(p.conn, p.identity())
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	p.conn = conn
	return nil
}

// identity is whom the server has to be. One that is addressed by IP is asked for by the names of requests, of which a check has none: its certificate must be good, for whatever
// name.
func (p *probe) identity() *tls.Config {
	if p.TLS.ServerName != "" {
		return p.TLS
	}
	c := p.TLS.Clone()
	c.ServerName = p.host()
	if p.Host == "" && p.server.Host == "" && p.server.Address.Path == "" && !c.InsecureSkipVerify {
		c.InsecureSkipVerify = true // VerifyConnection does it, but for the name
		c.VerifyConnection = func(s tls.ConnectionState) error {
			o := x509.VerifyOptions{Roots: c.RootCAs, Intermediates: x509.NewCertPool()}
			for _, cert := range s.PeerCertificates[1:] {
				o.Intermediates.AddCert(cert)
			}
			_, err := s.PeerCertificates[0].Verify(o)
			return err
		}
	}
	return c
}

func encryptIfAsked(ctx context.Context, p *probe) error {
	if !p.Encrypt {
		return nil
	}
	return encrypt(ctx, p)
}
