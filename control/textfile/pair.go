package textfile

import "crypto/tls"

// KeyPair is tls.LoadX509KeyPair for regular files.
func KeyPair(cert, key string) (tls.Certificate, error) {
	chain, err := Read(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := Read(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(chain, private)
}
