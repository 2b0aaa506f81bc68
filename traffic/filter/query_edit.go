package filter

import "net/url"

// QueryEdit changes query parameters: first Remove, then Set, then Add. Immutable.
type QueryEdit struct {
	Remove []string    // names; "*" is all
	Set    []Parameter // replace all of their name
	Add    []Parameter
}

// Parameter is a query parameter, not encoded.
type Parameter struct{ Name, Value string }

func (e *QueryEdit) append(dst, query []byte) []byte {
	mark := byte('?')
	put := func(pair []byte) {
		dst = append(dst, mark)
		dst = append(dst, pair...)
		mark = '&'
	}
	for len(query) > 0 {
		end := 0
		for end < len(query) && query[end] != '&' {
			end++
		}
		pair := query[:end]
		query = query[min(end+1, len(query)):]
		if len(pair) > 0 && !e.drops(pair) {
			put(pair)
		}
	}
	for _, list := range [...][]Parameter{e.Set, e.Add} {
		for _, p := range list {
			put([]byte(url.QueryEscape(p.Name) + "=" + url.QueryEscape(p.Value)))
		}
	}
	return dst
}

func (e *QueryEdit) drops(pair []byte) bool {
	end := 0
	for end < len(pair) && pair[end] != '=' {
		end++
	}
	name, err := url.QueryUnescape(string(pair[:end]))
	if err != nil {
		name = string(pair[:end])
	}
	for _, r := range e.Remove {
		if r == "*" || r == name {
			return true
		}
	}
	for _, p := range e.Set {
		if p.Name == name {
			return true
		}
	}
	return false
}
