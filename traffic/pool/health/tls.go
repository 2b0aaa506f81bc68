package health

import (
	"context"
	"crypto/tls"
	"fmt"
)

// encrypt does a TLS handshake; the certificate is verified as Config.TLS says, by the host's name without a ServerName.
func encrypt(ctx context.Context, p *probe) error {
	if p.isReused {
		return nil
	}
	config := p.TLS
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName = p.host()
	}
	conn := tls.Client(p.conn, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	p.conn = conn
	return nil
}

func encryptIfAsked(ctx context.Context, p *probe) error {
	if !p.Encrypt {
		return nil
	}
	return encrypt(ctx, p)
}
