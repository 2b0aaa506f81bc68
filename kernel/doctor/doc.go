// Package doctor looks at what of this machine and its network stands in the way of a configuration, and says how to mend each thing.
//
// Invariants: a check changes nothing that outlives it. It asks the kernel and, for the way back, the servers themselves: nothing is guessed where it can be
// tried. Each finding is one line with the repair that mends it.
//
// Called by cmd/weir and test/networks.
package doctor
