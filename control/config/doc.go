// Package config holds what the operator wrote: the types of weir.yaml, and the reader that turns files into them or
// into the complete list of what is wrong with them.
//
// The types are the single source of the file's shape: keys, defaults and short forms stand in their struct tags, the
// meaning of each key in its comment; the strict decoder, the JSON Schema and the reference manual all walk them.
//
//	yaml:"key"          the key in the file
//	yaml:"key,named"    a map by name, kept in written order; the name goes to the element's field tagged ",name"
//	yaml:"-,name"       receives the name under which the object was written
//	yaml:",paths"       receives all keys that start with "/" or "~"
//	yaml:"key,short"    a bare value in place of the object is this field
//	yaml:"key,required" must be written
//	yaml:"key,some"     a list of who is served: written, it has an item
//	yaml:"key,file"     a file's name, relative to the file that names it
//	default:"3s"        set before decoding
//	fill:"3s"           set after inheritance (defaults < pool < site < route), where still unset
//	words:"a b c"       the only values allowed
//	range:"1 65535"     the least and the largest number; without it 0 and 2147483647
//	example:"..."       a value for the manual; a test decodes each
//
// Invariants: a *Config returned without errors is complete (defaults filled, short forms expanded, inheritance
// resolved, anonymous pools named) and is not changed afterwards. Reading has no side effects beyond opening the files
// named. Values carry no positions, so that two loads of equal text are deeply equal; PosOf answers where a key stood.
//
// Called by the snapshot builder, by cmd/weir for the command line, and by the importers' tests.
package config
