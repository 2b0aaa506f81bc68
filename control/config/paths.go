package config

import "strings"

// Paths says how the servers of a site read paths, so that routes and access rules read them the same way. What is forwarded is always the path that the
// client sent, byte for byte, unless the route rewrites it. A bare value is `servers`.
type Paths struct {
	// What the servers are. It sets the other keys to what is known of them. `any` is for servers of which nothing is known: a path that can be read
	// in two ways is refused with 400 where the readings lead to different routes. Whether they tell upper from lower case, `case` says.
	Servers string `yaml:"servers,short" words:"any apache iis jetty nginx tomcat" example:"iis"`

	// `%2F`: `auto` compares both readings, `pass` takes it for data, `decode` for a slash, `refuse` answers 400.
	EncodedSlash string `yaml:"encoded_slash" words:"auto pass decode refuse" example:"pass"`

	// `%5C`: `auto` compares both readings, `pass` takes it for data, `decode` for a slash, as Windows does, `refuse` answers 400.
	Backslash string `yaml:"backslash" words:"auto pass decode refuse" example:"refuse"`

	// `//`: `auto` takes it for one slash, and compares the reading with an empty segment; `on` and `off` are for servers that certainly merge slashes or
	// certainly do not.
	MergeSlashes string `yaml:"merge_slashes" words:"auto on off" example:"off"`

	// How often the servers decode percent-encodings: `once`, `twice`, or `auto`, which compares both readings.
	Decode string `yaml:"decode" words:"auto once twice" example:"once"`

	// Parameters of a segment, as in `/admin;x=1/y`: `keep` takes them for a part of the name, `strip` matches without them, `auto` compares both readings, `refuse`
	// answers 400.
	Parameters string `yaml:"parameters" words:"auto keep strip refuse" example:"strip"`

	// Dots and spaces at the end of a segment, and names of NTFS streams (`::$DATA`): `auto`, `keep`, `strip` or `refuse`, likewise.
	TrailingDots string `yaml:"trailing_dots" words:"auto keep strip refuse" example:"strip"`

	// Sessions of ASP.NET in the path, `/(S(x))/admin`: `auto`, `keep`, `strip` or `refuse`, likewise.
	Cookieless string `yaml:"cookieless" words:"auto keep strip refuse" example:"strip"`

	// Whether paths that differ in upper and lower case are different: `exact`, or `ignore` where the servers know no case.
	Case string `yaml:"case" words:"exact ignore" example:"ignore"`
}

// Known completes the keys by what is known of the servers.
func (p Paths) Known() Paths {
	known := map[string]Paths{
		"":       {EncodedSlash: "auto", Backslash: "auto", MergeSlashes: "auto", Decode: "auto", Parameters: "keep", TrailingDots: "keep", Cookieless: "keep", Case: "exact"},
		"any":    {Parameters: "auto", TrailingDots: "auto", Cookieless: "auto"},
		"apache": {Backslash: "pass", MergeSlashes: "on", Decode: "once"},
		"iis":    {EncodedSlash: "decode", Backslash: "decode", TrailingDots: "strip", Cookieless: "auto", Case: "ignore"},
		"jetty":  {Parameters: "strip"},
		"nginx":  {EncodedSlash: "decode", Backslash: "pass", MergeSlashes: "on", Decode: "once"},
		"tomcat": {MergeSlashes: "on", Decode: "once", Parameters: "strip"},
	}
	out := p
	for _, from := range []Paths{known[p.Servers], known[""]} {
		for _, k := range []struct{ to, is *string }{
			{&out.EncodedSlash, &from.EncodedSlash}, {&out.Backslash, &from.Backslash}, {&out.MergeSlashes, &from.MergeSlashes},
			{&out.Decode, &from.Decode}, {&out.Parameters, &from.Parameters}, {&out.TrailingDots, &from.TrailingDots}, {&out.Cookieless, &from.Cookieless},
			{&out.Case, &from.Case},
		} {
			if *k.to == "" {
				*k.to = *k.is
			}
		}
	}
	return out
}

// warnPathRules tells of access rules that depend on the path, where it is not said how the servers read paths.
func (r *reader) warnPathRules(site *Site) {
	words := "access depends on the path, which servers may read in other ways (case, \";\", trailing dots): say what they are with path: { servers: iis } or tomcat, jetty, apache, nginx, any"
	switch {
	case site.Paths.Servers == "any" && site.Paths.Case == "":
		words = "access depends on the path: say whether the servers tell upper from lower case with path: { servers: any, case: exact } or case: ignore"
	case site.Paths.Servers != "":
		return
	}
	differ := func(a, b *Route) bool {
		return len(a.Allow)+len(a.Deny)+len(b.Allow)+len(b.Deny) > 0 && !sameAccess(a, b) && a.Path != b.Path
	}
	for i := range site.Routes {
		for j := range site.Routes[:i] {
			if a, b := &site.Routes[i], &site.Routes[j]; differ(a, b) {
				if len(b.Allow)+len(b.Deny) > len(a.Allow)+len(a.Deny) {
					a = b
				}
				r.warn(r.at(a.Key), a.Key, "%s", words)
				return
			}
		}
		if i > 1000 {
			return // each is compared with each
		}
	}
}

func sameAccess(a, b *Route) bool {
	text := func(r *Route) string {
		var s strings.Builder
		for _, p := range r.Allow {
			s.WriteString(" +" + p.String())
		}
		for _, p := range r.Deny {
			s.WriteString(" -" + p.String())
		}
		return s.String()
	}
	return text(a) == text(b)
}
