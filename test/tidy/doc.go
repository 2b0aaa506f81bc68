// Package tidy holds the tree to its own rules: who imports whom, what is called how, and that what the documents say is so.
//
// Invariants: nothing in it but tests, each with the reason for its rule. Sources are read and not run, except for the commands that the
// documents tell their readers to type.
//
// Called by go test.
package tidy
