// Package reference writes the configuration's JSON Schema and manual from its types and their comments.
//
// Both are generated, so that what people read is what the decoder does: run go generate after a change of a type or of
// its comment; a test holds the committed files against the types.
//
// Called by go generate, through the command in generate/.
package reference

//go:generate go run ./generate ../../../docs/reference
