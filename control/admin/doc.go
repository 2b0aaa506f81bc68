// Package admin answers on the admin address: whether weir lives and is ready, its status and metrics, reloads, and explanations.
//
// Invariants: nothing that a web page makes a browser send is obeyed: the Host must be an address, requests with an Origin are refused, and
// what changes something needs a header that a form cannot send. Routes match exactly. No answer waits for a stuck loop for long.
//
// Called by cmd/weir, which gives it the running daemon and has it follow each reload.
package admin
