package snapshot

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/textfile"
)

// Key is a secret that weir has made for itself and keeps in the data directory. Building a snapshot only reads it, since a check and a dry run build too.
type Key struct {
	Lost    string // what happens when another key takes its place
	Instead string // what the operator can do besides making the directory writable; "": nothing
	file    string
	text    []byte
	isSaved bool
	isWrong bool  // the file held something else, which is replaced
	unread  error // why the file could not be read, which is left as it is
}

const (
	keySize  = 32      // bytes, which the file has in hexadecimal digits
	keyMost  = 4 << 10 // bytes that are read of the file
	keyDigit = "0123456789abcdef"
)

// openKey takes the key from kept, the files of the process before; or reads it from its file; or makes one.
func openKey(kept map[string][]byte, file string) *Key {
	if text := kept[file]; len(text) >= keySize {
		return &Key{file: file, text: text}
	}
	text, err := textfile.ReadMost(file, keyMost)
	if err == nil && isKey(text) {
		return &Key{file: file, text: text, isSaved: true}
	}
	made := make([]byte, keySize)
	rand.Read(made)
	k := &Key{file: file, text: []byte(hex.EncodeToString(made) + "\n"), isWrong: err == nil}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		k.unread = err
	}
	return k
}

// isKey reports whether the text is what Save writes, and all of it.
func isKey(text []byte) bool {
	digits := strings.TrimSuffix(string(text), "\n")
	return len(digits) == hex.EncodedLen(keySize) && strings.Trim(digits, keyDigit) == ""
}

// warning is of a file that holds no key; none if it holds one, or is not there. Of a file that this user may not read Save has more to say: who checks need not be the user that weir runs as.
func (k *Key) warning(cfg *config.Config) (problems config.Problems) {
	switch {
	case k.isWrong:
		problems = append(problems, cfg.WarningAt("data", "%s is damaged, and a new key takes its place: %s", k.file, k.Lost))
	case k.unread != nil && !k.isForbidden():
		problems = append(problems, cfg.WarningAt("data", "%v, and a new key is used until the next start: %s", k.unread, k.Lost))
	}
	return problems
}

// isForbidden reports whether this user may not read the file.
func (k *Key) isForbidden() bool { return errors.Is(k.unread, fs.ErrPermission) }

// Kept is the file and its text, for a process that takes over: saving may have failed.
func (k *Key) Kept() (file string, text []byte) { return k.file, k.text }

// Save writes a key that was made to its file. One that could not be read is not overwritten: it may be good.
func (k *Key) Save() error {
	switch {
	case k.isSaved, k.unread != nil && !k.isForbidden(): // warning has told of it
		return nil
	case k.unread != nil:
		return fmt.Errorf("the key that is there cannot be read: %w", k.unread)
	}
	if err := os.MkdirAll(filepath.Dir(k.file), 0o700); err != nil {
		return err
	}
	if err := textfile.Replace(k.file, k.text, 0o600); err != nil {
		return err
	}
	k.isSaved = true
	return nil
}

// Keys are those that the snapshot uses.
func (s *Snapshot) Keys() (list []*Key) {
	for _, k := range []*Key{s.cookies, s.resets} {
		if k != nil {
			list = append(list, k)
		}
	}
	return list
}

// resetKey is the key of QUIC's stateless resets. It is saved, so that after a crash the next process can tell clients that their connections are gone.
// RFC 9000 section 10.3.2: "A single static key can be used across all connections to the same endpoint".
func (b *builder) resetKey() *[32]byte {
	if b.out.resets == nil {
		file := filepath.Join(b.cfg.Data, "quic.key")
		if b.previous != nil && b.previous.resets != nil && b.previous.resets.file == file {
			b.out.resets = b.previous.resets
		} else {
			b.out.resets = openKey(b.keeper.kept, file)
			b.out.resets.Lost = "HTTP/3 clients wait for their idle timeout"
			b.problems = append(b.problems, b.out.resets.warning(b.cfg)...)
		}
	}
	key := sha256.Sum256(b.out.resets.text)
	return &key
}
