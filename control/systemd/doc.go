// Package systemd speaks with the service manager: what state weir is in, that its loops turn, and which sockets it was started with. Without a
// manager, which the environment says, everything here does nothing.
//
// Called by cmd/weir.
package systemd
