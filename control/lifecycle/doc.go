// Package lifecycle starts weir, reloads it, and stops it.
//
// Invariants: one snapshot runs at a time. A reload takes effect whole or not at all, and touches only what changed: addresses that
// stay are not closed, pools that stay keep their state.
//
// Called by cmd/weir; read and commanded by control/admin.
package lifecycle
