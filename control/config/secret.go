package config

// Secret is a text that may have come from a file or the environment and is never shown.
type Secret struct {
	// Value is the text itself.
	Value string

	// Written is what stands in the configuration: the same text, `${NAME}` unexpanded, or `{file: path}`.
	Written string
}

// String returns what was written and not the value.
func (s Secret) String() string { return s.Written }
