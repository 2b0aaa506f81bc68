// Package exchange carries one request to a server and its answer back: it drives an exchange through the stages of stages.go.
//
// Invariants:
//   - Stages are direct style on the client connection's loop; both legs live there.
//   - Nothing reaches a server before the whole head, and the first chunk's head, of a request have been found good.
//   - Nothing is tried again after a byte of an answer reached the client.
//   - What a stage acquires is settled in finish, whatever happened in between, panics included.
//
// Called by traffic/listener.
package exchange
