package ech

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A key is published for a week, and understood for four: caches of DNS may have it for a while, and who publishes by hand may be late.
const (
	publishedFor  = 7 * 24 * time.Hour
	understoodFor = 4 * publishedFor
)

// Keys are the keys of one public name. They may be used by several goroutines.
type Keys struct {
	dir    string
	public string

	mu   sync.Mutex
	list []key // the newest first
	tls  atomic.Pointer[[]tls.EncryptedClientHelloKey]
}

// key is a key with what is said of it.
type key struct {
	config  []byte // an ECHConfig
	private []byte // as HPKE has it
	made    time.Time
}

// Open reads the keys kept below the directory, and makes the first if there is none. publicName is what eavesdroppers see in place of the name asked for. With
// an error there are keys all the same, until the process ends.
func Open(dir, publicName string, now time.Time) (*Keys, error) {
	k := &Keys{dir: dir, public: publicName}
	err := k.read()
	if _, failed := k.Rotate(now); err == nil {
		err = failed
	}
	k.publish()
	return k, err
}

// PublicName is what eavesdroppers see.
func (k *Keys) PublicName() string { return k.public }

func (k *Keys) read() error {
	files, err := filepath.Glob(filepath.Join(k.dir, "*.pem"))
	if err != nil {
		return err
	}
	var problems []error
	for _, f := range files {
		read, err := readKey(f)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("%s: %w", f, err))
		case publicNameOf(read.config) == k.public:
			k.list = append(k.list, read)
		}
	}
	slices.SortFunc(k.list, func(a, b key) int { return b.made.Compare(a.made) })
	return errors.Join(problems...)
}

// Rotate makes a new key when it is time, forgets those that nobody can have any more, and reports whether something has changed.
func (k *Keys) Rotate(now time.Time) (changed bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.list) > 1 && now.Sub(k.list[len(k.list)-1].made) > understoodFor {
		old := k.list[len(k.list)-1]
		k.list = k.list[:len(k.list)-1]
		os.Remove(k.fileOf(old))
		changed = true
	}
	if len(k.list) == 0 || now.Sub(k.list[0].made) >= publishedFor {
		made := newKey(k.freeID(), k.public, now)
		k.list = append([]key{made}, k.list...)
		err = made.write(k.fileOf(made))
		changed = true
	}
	if changed {
		k.publish()
	}
	return changed, err
}

func (k *Keys) fileOf(x key) string {
	return filepath.Join(k.dir, x.made.UTC().Format("20060102T150405Z")+".pem")
}

// freeID is an identifier that no key has: by it clients say which they use, in one byte.
func (k *Keys) freeID() byte {
	for {
		var id [1]byte
		rand.Read(id[:])
		if !slices.ContainsFunc(k.list, func(x key) bool { return idOf(x.config) == id[0] }) {
			return id[0]
		}
	}
}

func (k *Keys) publish() {
	list := make([]tls.EncryptedClientHelloKey, len(k.list))
	for i, x := range k.list {
		list[i] = tls.EncryptedClientHelloKey{Config: x.config, PrivateKey: x.private, SendAsRetry: i == 0}
	}
	k.tls.Store(&list)
}

// Get are the keys as crypto/tls wants them. It takes one atomic load.
func (k *Keys) Get() []tls.EncryptedClientHelloKey { return *k.tls.Load() }

// ConfigList is what is published, in base64, as a record of type HTTPS has it in its parameter "ech" (RFC 9848).
func (k *Keys) ConfigList() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return base64.StdEncoding.EncodeToString(listOf(k.list[0].config))
}

// Record is the line of a zone file for a name.
func (k *Keys) Record(name string, protocols []string) string {
	return fmt.Sprintf("%s. 300 IN HTTPS 1 . alpn=%q ech=%s", name, strings.Join(protocols, ","), k.ConfigList())
}

func newKey(id byte, publicName string, now time.Time) key {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		panic("BUG: ech: " + err.Error())
	}
	return key{appendConfig(nil, id, private.PublicKey().Bytes(), publicName), private.Bytes(), now.Truncate(time.Second)}
}
