//go:build !linux

package routing

// ForgetFlows has nothing to forget here: no kernel forwards for weir.
func ForgetFlows([]Flows) error { return nil }
