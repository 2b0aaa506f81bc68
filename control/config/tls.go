package config

// TLS is how clients are met: under a listener, or at the top of the file for all listeners that have `tls`.
// `on` is all defaults.
type TLS struct {
	// Certificates, chosen by the server name the client asks for; the first is for clients that name none or another.
	// They are read again when their files change. A file that cannot be used refuses the configuration; while weir runs, the last good certificate stays in use.
	Certificates []Certificate `yaml:"certificates" example:"[{ cert: site.pem, key: site.key }, /etc/letsencrypt/live]"`

	// The oldest version of TLS that is accepted. It says nothing about listeners in clear text.
	MinVersion string `yaml:"min_version" fill:"1.2" words:"1.2 1.3" example:"\"1.3\""`

	// What becomes of clients of a `tcp` listener that do not speak TLS: `refuse` ends their connections, `allow` serves them in clear, those
	// who wait for the server to speak first after 300 ms. It cannot stand beside a `client_auth` that requires a certificate.
	Plaintext string `yaml:"plaintext" fill:"refuse" words:"refuse allow" example:"allow"`

	// Asks clients for a certificate. Without it none is asked for. At the top of the file it is for every site on every listener, so that requests in clear text are
	// answered with 421; under a listener it is for what comes by that one, in place of what the top says. Sites may say otherwise.
	ClientAuth *ClientAuth `yaml:"client_auth" example:"{ ca: clients.pem, verify: optional }"`

	// Obtains certificates by ACME for the public names among the sites that no other certificate is for. At the top of the file only. Without `listeners`
	// it goes without saying.
	ACME *ACME `yaml:"acme" example:"{ email: ops@example.com }"`

	// Encrypted Client Hello, by which clients hide the name they ask for. At the top of the file only. On without a word where a site has a public name; of use
	// once what `weir ech` prints is published in DNS.
	ECH *ECH `yaml:"ech" example:"{ public_name: www.example.com }"`
}

// ECH says what of a connection stays to be seen. A bare value is the `public_name`; `off` offers none.
type ECH struct {
	// The name that eavesdroppers see in place of all others; weir must have a certificate for it. Without it: the first site's with a public name.
	PublicName string `yaml:"public_name,short" example:"www.example.com"`

	// Off is set by `ech: off`.
	Off bool `yaml:"-"`
}

// FromWord takes `off`.
func (e *ECH) FromWord(word string) error {
	if isItOff, err := isOff(word); err == nil && isItOff {
		e.Off = true
		return nil
	}
	return problemf("want a name")
}

// FromWord takes `on`.
func (t *TLS) FromWord(word string) error {
	if off, err := isOff(word); err != nil || off {
		return problemf("want an object or on; leave tls away for clear text")
	}
	return nil
}

// Certificate is a certificate chain and its key, both in PEM form, the key without a passphrase. A bare value is one file that holds both, or a directory.
type Certificate struct {
	// The file of the chain, the server's own certificate first; or a directory, whose files, and those of the directories in it, are all looked through for
	// chains and keys that fit each other, whatever they are called.
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

	// Off is set by `client_auth: off`: none is asked for, whatever the listener says.
	Off bool `yaml:"-"`
}

// FromWord takes `off`.
func (c *ClientAuth) FromWord(word string) error {
	if isItOff, err := isOff(word); err == nil && isItOff {
		c.Off = true
		return nil
	}
	return problemf("want a file")
}

// Asks reports whether clients are asked for a certificate.
func (c *ClientAuth) Asks() bool { return c != nil && !c.Off }

// SiteTLS is what a site needs of its clients' connections on every listener, in place of what those ask for. A request that comes by a connection made under
// less is answered with 421, and in clear text too; browsers then come by a connection of its own.
type SiteTLS struct {
	// The oldest version of TLS that is accepted; clear text is not.
	MinVersion string `yaml:"min_version" words:"1.2 1.3" example:"\"1.3\""`

	// Asks clients for a certificate; `off` asks for none, whatever the listener and the top-level `tls` say.
	ClientAuth *ClientAuth `yaml:"client_auth" example:"{ ca: clients.pem, verify: optional }"`
}
