// Package cli is the command line: its root, its exit codes, and the commands that need no running weir.
//
// Invariants: exit status 0 is done, 1 says that the thing asked for is not so, 2 is wrong usage. What a command was
// asked for goes to standard output, everything else to standard error. The package knows the configuration and not
// the daemon: what a command needs from there, cmd/weir hands in.
//
// Called by cmd/weir.
package cli
