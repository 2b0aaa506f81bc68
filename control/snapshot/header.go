package snapshot

import (
	"strings"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/traffic/filter"
)

func setField(e *filter.HeaderEdit, h config.Header) error {
	if isLiteral(&h.Value) {
		e.SetLiteral(h.Name, h.Value.Value)
		return nil
	}
	return e.Set(h.Name, h.Value.Value)
}

func addField(e *filter.HeaderEdit, h config.Header) error {
	if isLiteral(&h.Value) {
		e.AddLiteral(h.Name, h.Value.Value)
		return nil
	}
	return e.Add(h.Name, h.Value.Value)
}

// isLiteral: what comes from a file is a secret and no template, whatever braces it has.
func isLiteral(s *config.Secret) bool { return strings.HasPrefix(s.Written, "{file:") }
