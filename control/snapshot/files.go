package snapshot

import (
	"crypto/sha256"
	"io"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/textfile"
)

// fingerprint tells whether files hold what they held before. Times would not do: a secret that is mounted anew has a new time each time.
type fingerprint [sha256.Size]byte

// fingerprintOf reads the files. One that cannot be read is as none: whoever builds from it says so.
func fingerprintOf(files ...string) (f fingerprint) {
	h := sha256.New()
	for _, name := range files {
		io.WriteString(h, name+"\x00")
		if content, err := textfile.Read(name); err == nil {
			sum := sha256.Sum256(content)
			h.Write(sum[:])
		}
	}
	h.Sum(f[:0])
	return f
}

// tlsFiles are what a pool's TLS is built from.
func tlsFiles(t *config.PoolTLS) []string {
	files := append([]string{}, t.CA...)
	if t.ClientCert != nil {
		files = append(files, t.ClientCert.Cert, keyFile(t.ClientCert))
	}
	return files
}

// sameFiles reports whether the object's files hold what they held for the previous snapshot.
func (b *builder) sameFiles(key string) bool { return b.previous.files[key] == b.out.files[key] }
