package tls

import (
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"io"
	"net"

	"github.com/weir-proxy/weir/engine"
)

// rsaSigner signs with RSA for one connection. That takes about a millisecond of a processor, ten times ECDSA's, and everything else on the loop would wait
// for it; so while other handshakes are under way there a worker does it.
type rsaSigner struct {
	crypto.Signer
	conn *Conn
}

var sign = Blocking(engine.SigningWork)

// Sign signs here or on a worker.
func (s rsaSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	if s.conn.Crowd == nil || *s.conn.Crowd < 2 {
		return s.Signer.Sign(rand, digest, opts)
	}
	var made []byte
	var failed error
	if err := sign((*pipe)(s.conn), func() { made, failed = s.Signer.Sign(rand, digest, opts) }); err != nil {
		return nil, err
	}
	return made, failed
}

// offLoop gives an RSA certificate a key that signs as rsaSigner does, and leaves any other as it is.
func offLoop(cert *tls.Certificate, conn net.Conn) *tls.Certificate {
	c := connOf(conn)
	if cert == nil || c == nil {
		return cert
	}
	key, isRSA := cert.PrivateKey.(*rsa.PrivateKey)
	if !isRSA {
		return cert
	}
	own := *cert
	own.PrivateKey = rsaSigner{key, c}
	return &own
}
