//go:build !linux

package routing

// ListCarried, EachCarried and ForgetCarried have nothing to do here: no kernel forwards for weir.
func ListCarried(func(Carried) bool) ([]Carried, error) { return nil, nil }
func EachCarried(func(Carried)) error                   { return nil }
func ForgetCarried([]Carried) error                     { return nil }
