package config

// TLS is how clients are met: under a listener, or at the top of the file for all listeners that have `tls`.
// `on` is all defaults.
type TLS struct {
	// Certificates, chosen by the server name the client asks for; the first is for clients that name none or another.
	// They are read again when their files change.
	Certificates []Certificate `yaml:"certificates" example:"[{ cert: site.pem, key: site.key }]"`

	// The oldest version accepted.
	MinVersion string `yaml:"min_version" fill:"1.2" words:"1.2 1.3" example:"\"1.3\""`

	// Asks clients for a certificate. Without it none is asked for.
	ClientAuth *ClientAuth `yaml:"client_auth" example:"{ ca: clients.pem, verify: optional }"`

	// Obtains certificates by ACME.
	ACME Later `yaml:"acme" example:"{ email: ops@example.com }"`
}

// FromWord takes `on`.
func (t *TLS) FromWord(word string) error {
	if off, err := isOff(word); err != nil || off {
		return problemf("want an object or on; leave tls away for clear text")
	}
	return nil
}

// Certificate is a certificate chain and its key, both PEM. A bare value is one file that holds both.
type Certificate struct {
	// The file of the chain, the server's own certificate first.
	Cert string `yaml:"cert,short,required,file" example:"site.pem"`

	// The file of the private key. Without it: the file of `cert`.
	Key string `yaml:"key,file" example:"site.key"`
}

// ClientAuth is how certificates of clients are checked. A bare value is the `ca`.
type ClientAuth struct {
	// Files of the authorities that sign clients' certificates.
	CA []string `yaml:"ca,short,required,file" example:"clients.pem"`

	// Whether a client must have a certificate. One that is shown is always checked.
	Verify string `yaml:"verify" default:"require" words:"require optional" example:"optional"`
}
