package snapshot

import (
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/message"
)

// pathRules is how the servers of a site read paths.
func pathRules(c config.Paths) *site.PathRules {
	c = c.Known()
	rules := site.DefaultPathRules()
	for _, k := range []struct {
		word   string
		traits message.PathTraits
	}{
		{c.EncodedSlash, message.EncodedSlash}, {c.Backslash, message.Backslash}, {c.MergeSlashes, message.RepeatedSlash},
		{c.Decode, message.DoubleEncoding}, {c.Parameters, message.Parameters}, {c.TrailingDots, message.TrailingDot | message.DataStream},
		{c.Cookieless, message.Cookieless},
	} {
		if k.word == "auto" {
			rules.Doubts |= k.traits
		} else {
			rules.Doubts &^= k.traits
		}
		switch k.word {
		case "decode", "strip", "on", "twice":
			rules.Resolves |= k.traits
		case "off":
			rules.Resolves &^= k.traits
		case "refuse":
			rules.Refuses |= k.traits
		}
	}
	rules.Folds = c.Case == "ignore"
	return rules
}
