package textfile

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// run runs a command of OpenSSL or OpenSSH in a directory.
func run(t *testing.T, dir, command string) {
	t.Helper()
	words := strings.Fields(command)
	for i := range words {
		words[i] = strings.Trim(words[i], "'")
	}
	c := exec.Command(words[0], words[1:]...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// Each form that OpenSSL writes is told by name with the file that is at fault, and what the message says to do makes a file that is read.
func TestOtherFormsAreToldAndCanBeConverted(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, command := range []string{
		"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=a.test -days 1 -keyout k.pem -out c.pem",
		"openssl x509 -in c.pem -outform der -out c.der",
		"openssl x509 -in c.pem -trustout -out c.trusted",
		"openssl pkey -in k.pem -outform der -out k.der",
		"openssl pkcs8 -topk8 -in k.pem -passout pass:secret -out k.encrypted",
		"openssl pkcs8 -topk8 -in k.pem -passout pass:secret -outform der -out k.encrypted.der",
		"openssl rsa -in k.pem -traditional -aes128 -passout pass:secret -out k.traditional",
		"openssl pkcs12 -export -in c.pem -inkey k.pem -passout pass:secret -out both.pfx",
		"openssl crl2pkcs7 -nocrl -certfile c.pem -out c.p7b",
		"openssl crl2pkcs7 -nocrl -certfile c.pem -outform der -out c.p7b.der",
		"openssl req -new -key k.pem -subj /CN=a.test -out request.pem",
		"openssl genpkey -algorithm ed448 -out k.ed448",
		"openssl req -x509 -newkey ed25519 -nodes -subj /CN=a.test -days 1 -keyout other.pem -out other.crt",
	} {
		run(t, dir, command)
	}
	write := func(name string, content []byte) {
		if err := os.WriteFile(in(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	chain, _ := os.ReadFile(in("c.pem"))
	key, _ := os.ReadFile(in("k.pem"))
	utf16 := []byte("\xff\xfe")
	for _, c := range chain {
		utf16 = append(utf16, c, 0)
	}
	write("c.utf16", utf16)
	write("empty.pem", []byte("\n"))
	write("text.pem", []byte("see the other directory\n"))
	write("c.bom", append([]byte(utf8BOM), chain...))
	write("k.bom", append([]byte(utf8BOM), key...))

	for _, c := range []struct {
		cert, key string
		fault     string // the file that the message begins with
		says      string
		inPlace   string // of cert or key, once it is converted; "": there is no converting
	}{
		{"c.der", "k.pem", "c.der", "a certificate in DER form", "cert"},
		{"c.trusted", "k.pem", "c.trusted", "OpenSSL's own form", "cert"},
		{"c.p7b", "k.pem", "c.p7b", "PKCS #7", "cert"},
		{"c.p7b.der", "k.pem", "c.p7b.der", "PKCS #7", "cert"},
		{"both.pfx", "both.pfx", "both.pfx", "PKCS #12", "both"},
		{"c.pem", "both.pfx", "both.pfx", "PKCS #12", "key"},
		{"c.pem", "k.der", "k.der", "a private key in DER form", "key"},
		{"c.pem", "k.encrypted", "k.encrypted", "passphrase", "key"},
		{"c.pem", "k.encrypted.der", "k.encrypted.der", "passphrase", "key"},
		{"c.pem", "k.traditional", "k.traditional", "passphrase", "key"},
		{"k.der", "k.pem", "k.der", "a private key in DER form", ""},
		{"request.pem", "k.pem", "request.pem", "a request", ""},
		{"k.pem", "c.pem", "k.pem", "holds a private key, and a certificate is expected", ""},
		{"c.pem", "c.pem", "c.pem", "holds a certificate, and a private key is expected", ""},
		{"c.pem", "other.pem", "other.pem", "is not the private key of the first certificate in " + in("c.pem"), ""},
		{"c.pem", "k.ed448", "k.ed448", "RSA, ECDSA", ""},
		{"c.utf16", "k.pem", "c.utf16", "UTF-16", ""},
		{"empty.pem", "k.pem", "empty.pem", "is empty", ""},
		{"c.pem", "empty.pem", "empty.pem", "is empty", ""},
		{"c.pem", "text.pem", "text.pem", "holds no private key in PEM form", ""},
		{"text.pem", "k.pem", "text.pem", "holds no certificate in PEM form", ""},
	} {
		t.Run(c.cert+" "+c.key, func(t *testing.T) {
			_, err := KeyPair(in(c.cert), in(c.key))
			if err == nil || !strings.HasPrefix(err.Error(), in(c.fault)+" ") && !strings.HasPrefix(err.Error(), in(c.fault)+": ") || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v", err)
			}
			_, command, isSaid := strings.Cut(err.Error(), "openssl ")
			if c.inPlace == "" {
				return
			}
			if !isSaid {
				t.Fatalf("%v: does not say how to convert it", err)
			}
			command, _, _ = strings.Cut(command, ";")
			if strings.Contains(command, "pkcs12") || strings.Contains(c.says, "passphrase") {
				command += " -passin pass:secret"
			}
			run(t, dir, "openssl "+command)
			cert, key := in(c.cert), in(c.key)
			if c.inPlace != "key" {
				cert += ".pem"
			}
			if c.inPlace != "cert" {
				key += ".pem"
			}
			if _, err := KeyPair(cert, key); err != nil {
				t.Errorf("after %s: %v", command, err)
			}
		})
	}
	if _, err := KeyPair(in("c.bom"), in("k.bom")); err != nil {
		t.Errorf("with a byte order mark: %v", err)
	}
	run(t, dir, "ssh-keygen -q -t rsa -N '' -f ssh")
	_, err := KeyPair(in("c.pem"), in("ssh"))
	if err == nil || !strings.Contains(err.Error(), "OpenSSH") {
		t.Fatal(err)
	}
	_, command, _ := strings.Cut(err.Error(), "ssh-keygen ")
	run(t, dir, "ssh-keygen -q "+command)
	if _, err = KeyPair(in("c.pem"), in("ssh")); fmt.Sprint(err) != in("ssh")+" is not the private key of the first certificate in "+in("c.pem") {
		t.Error(err)
	}
}
