// Package reference holds the generated reference of the configuration: the manual config.md for people and the JSON
// Schema for editors. Both are written by go generate from the types of control/config and their comments.
//
// Called by cmd/weir, which prints the schema.
package reference

import _ "embed"

// Schema is the JSON Schema of weir.yaml.
//
//go:embed weir.schema.json
var Schema []byte
