//go:build !linux

package confine

import "errors"

var errSystem = errors.New("not on this system")

// Drop cannot be done here.
func Drop(string, bool) (kept, err error) { return nil, errSystem }

// Give cannot be done here.
func Give(string, string) error { return errSystem }

// WritesTo cannot be done here.
func WritesTo([]string) error { return errSystem }

// GiveBelow cannot be done here.
func GiveBelow(string, string, ...string) error { return errSystem }
