package message

import (
	"errors"
	"fmt"
)

// Doubtful are the traits about which servers differ most, and by which access rules are evaded most.
const Doubtful = EncodedSlash | Backslash | DotSegment | RepeatedSlash | DoubleEncoding | Overlong

// ErrAmbiguous says that a path of a configuration means different things to different servers.
var ErrAmbiguous = errors.New("servers read an encoded slash, backslash or percent sign in different ways")

// NormalOfWritten is the normal form of a path as people write it in a configuration, where other characters than ASCII need no percent-encoding. A path that is malformed, or that
// servers read in different ways, is an error: no request matches it.
func NormalOfWritten(path string) (string, error) {
	var encoded []byte
	for i := range len(path) {
		if c := path[i]; c >= 0x80 {
			encoded = fmt.Appendf(encoded, "%%%02X", c)
		} else {
			encoded = append(encoded, c)
		}
	}
	normal, found, err := AppendReading(nil, encoded, NormalReading)
	if err == nil && found&(Doubtful&^NormalReading) != 0 {
		err = ErrAmbiguous
	}
	return string(normal), err
}
