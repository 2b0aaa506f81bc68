// Package snapshot builds the running objects from a configuration. It is the one package that knows all others.
//
// Invariants: a Snapshot is immutable and takes effect whole or not at all; building one changes nothing that runs. Live state, such as health,
// counters and warm connections, is kept apart from it and carried over by name.
//
// Called by control/lifecycle, and by `weir check` and `weir explain`, which build and do not run.
package snapshot
