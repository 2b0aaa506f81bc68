package hostile

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net"
	"strings"
	"sync"
)

// keyLog keeps the secrets of a handshake, by their labels (RFC 9850).
type keyLog struct {
	mu      sync.Mutex
	written bytes.Buffer
}

func (k *keyLog) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.written.Write(p)
}

func (k *keyLog) secret(label string) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	for line := range strings.Lines(k.written.String()) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == label {
			b, _ := hex.DecodeString(f[2])
			return b
		}
	}
	return nil
}

// secretKeys makes keys of a secret, by the hash that has its size.
type secretKeys struct {
	secret []byte
	size   int // of the key
}

func (k secretKeys) hash() func() hash.Hash {
	if len(k.secret) == sha512.Size384 {
		return sha512.New384
	}
	return sha256.New
}

// expand is HKDF-Expand-Label (RFC 8446 section 7.1) with an empty context.
func (k secretKeys) expand(label string, size int) []byte {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(size))
	info = append(append(append(info, byte(len(label))), label...), 0)
	b, err := hkdf.Expand(k.hash(), k.secret, string(info), size)
	if err != nil {
		panic(err)
	}
	return b
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, _ := cipher.NewGCM(block)
	return aead
}

// recordWriter writes records of TLS 1.3 in place of crypto/tls, behind the handshake.
type recordWriter struct {
	keys secretKeys
	aead cipher.AEAD
	iv   []byte
	seq  uint64
}

func newRecordWriter(secret []byte, suite uint16) (*recordWriter, error) {
	w := &recordWriter{keys: secretKeys{secret, 16}}
	switch suite {
	case tls.TLS_AES_128_GCM_SHA256:
	case tls.TLS_AES_256_GCM_SHA384:
		w.keys.size = 32
	default:
		return nil, errors.New("a cipher suite that the test does not have")
	}
	w.use()
	return w, nil
}

func (w *recordWriter) use() {
	w.aead, w.iv, w.seq = gcm(w.keys.expand("key", w.keys.size)), w.keys.expand("iv", 12), 0
}

// record is an encrypted one (RFC 8446 section 5.2).
func (w *recordWriter) record(kind byte, content []byte) []byte {
	nonce := bytes.Clone(w.iv)
	for i := range 8 {
		nonce[4+i] ^= byte(w.seq >> (56 - 8*i))
	}
	w.seq++
	inner := append(bytes.Clone(content), kind)
	head := []byte{23, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(head[3:], uint16(len(inner)+w.aead.Overhead()))
	return w.aead.Seal(head, nonce, inner, head)
}

// updateKey is a KeyUpdate (RFC 8446 section 4.6.3), which may ask for the other side's.
func (w *recordWriter) updateKey(asks bool) []byte {
	message := []byte{24, 0, 0, 1, 0}
	if asks {
		message[4] = 1
	}
	b := w.record(22, message)
	w.keys.secret = w.keys.expand("traffic upd", len(w.keys.secret))
	w.use()
	return b
}

// records does a handshake, and writes records after it until the server has had enough.
func (s *scene) records(next func(w *recordWriter) []byte) error {
	c, err := s.passing("secure")
	if err != nil {
		return err
	}
	defer c.Close()
	kept := &keyLog{}
	secure := tls.Client(c, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, KeyLogWriter: kept})
	if err := secure.Handshake(); err != nil {
		return err
	}
	w, err := newRecordWriter(kept.secret("CLIENT_TRAFFIC_SECRET_0"), secure.ConnectionState().CipherSuite)
	if err != nil {
		return err
	}
	go io.Copy(io.Discard, c)
	for err == nil && s.goesOn() {
		var b []byte
		for range 50 {
			b = append(b, next(w)...)
		}
		_, err = c.Write(b)
	}
	var closed net.Error
	if errors.As(err, &closed) {
		return nil // it was cut, as it is to be
	}
	return err
}
