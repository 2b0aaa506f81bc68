// Package persistence keeps a client with its server: by a cookie that weir sets, or by a table of what clients are known by.
//
// Invariants: a cookie tells nothing of a server, neither name nor address, to whom has not the secret, and nobody without it can make one. A
// client is only ever sent to a server of the pool that the request's route names. What is looked up for a request takes no lock.
//
// Called by traffic/exchange; built by control/snapshot.
package persistence
