//go:build !linux

package confine

// Refuses is false: there is no Landlock here.
func Refuses(string) bool { return false }
