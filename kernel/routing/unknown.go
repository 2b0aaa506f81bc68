package routing

import "errors"

// ErrUnknown is said of a machine that has not answered yet.
var ErrUnknown = errors.New("no hardware address is known yet")
