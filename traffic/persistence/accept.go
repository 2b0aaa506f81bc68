package persistence

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/cespare/xxhash/v2"

	"github.com/weir-proxy/weir/traffic/pool"
)

// Accept is whose affinity cookies are understood besides weir's own, so that sessions survive the move to weir.
type Accept struct {
	ARR        bool
	HAProxy    bool
	HAProxyKey string            // dynamic-cookie-key; "": static values
	Values     map[string]string // by the name of a server: its static value
}

// values is what cookies of other products say for s.
func (a *Accept) values(s *pool.Server) []string {
	var list []string
	if v := a.Values[s.Name]; v != "" {
		list = append(list, v)
	}
	if a.ARR {
		for _, name := range []string{hostOf(s), s.Name} {
			v := arrValue(name)
			list = append(list, v, strings.ToLower(v))
		}
	}
	if a.HAProxy && a.HAProxyKey != "" && s.Address.Path == "" {
		list = append(list, dynamicValue(a.HAProxyKey, s))
	}
	return list
}

// trim takes off what HAProxy adds to a server's value: the dates of maxidle and maxlife, and the application's own value in the prefix mode.
func (a *Accept) trim(value []byte) []byte {
	if i := bytes.IndexAny(value, "|~"); i >= 0 {
		return value[:i]
	}
	return value
}

// arrValue is IIS ARR's: SHA-256 of the server's name in lower case and UTF-16, as ArrCookie of YARP documents it.
func arrValue(name string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(strings.ToLower(name))) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	sum := sha256.Sum256(b)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// dynamicValue is HAProxy's for "cookie NAME insert dynamic": XXH64 of key, address, and the port as 32 bits in network order. Found by asking HAProxy 2.6.
func dynamicValue(key string, s *pool.Server) string {
	b := append([]byte(key), s.Address.AddrPort.Addr().Unmap().AsSlice()...)
	b = binary.BigEndian.AppendUint32(b, uint32(s.Address.AddrPort.Port()))
	return fmt.Sprintf("%016x", xxhash.Sum64(b))
}
