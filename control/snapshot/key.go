package snapshot

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
)

// Key is a secret that weir has made for itself and keeps in the data directory. Building a snapshot only reads it, since a check and a dry run build too.
type Key struct {
	Lost    string // what happens after a restart if the key cannot be saved, and what to do besides making the directory writable
	file    string
	text    []byte
	isSaved bool
}

// openKey takes the key from kept, the files of the process before; or reads it from its file; or makes one.
func openKey(kept map[string][]byte, file string) *Key {
	if text := kept[file]; len(text) >= 32 {
		return &Key{file: file, text: text}
	}
	if text, err := os.ReadFile(file); err == nil && len(text) >= 32 {
		return &Key{file: file, text: text, isSaved: true}
	}
	made := make([]byte, 32)
	rand.Read(made)
	return &Key{file: file, text: []byte(hex.EncodeToString(made) + "\n")}
}

// Kept is the file and its text, for a process that takes over: saving may have failed.
func (k *Key) Kept() (file string, text []byte) { return k.file, k.text }

// Save writes a key that was made to its file.
func (k *Key) Save() error {
	if k.isSaved {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(k.file), 0o700); err != nil {
		return err
	}
	next := k.file + ".next"
	if err := os.WriteFile(next, k.text, 0o600); err != nil {
		os.Remove(next)
		return err
	}
	if err := os.Rename(next, k.file); err != nil {
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
		}
	}
	key := sha256.Sum256(b.out.resets.text)
	return &key
}
