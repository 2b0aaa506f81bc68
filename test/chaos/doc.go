// Package chaos drives a whole weir with seeded random exchanges over real sockets and checks every one against a model.
//
// Invariants: nothing in it but tests. Client, server and model derive everything from an exchange's number, so that a failing seed
// happens again with -seed. Where nobody misbehaves the answer must be exact; where somebody does, it may be an error of weir's or a
// connection that was cut, but never another exchange's bytes, and never a wrong body in a complete frame.
//
// Called by go test.
package chaos
