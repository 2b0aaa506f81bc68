//go:build !linux

package listener

import "errors"

// newSuccession has no counterpart here: weir cannot be replaced in place.
func newSuccession() (*quicSuccession, int, error) {
	return nil, -1, errors.New("not on this system")
}
