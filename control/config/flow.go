package config

import (
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// joinPlainColons puts together what the library's scanner takes apart: inside braces it reads the colon of
// `10.0.0.1:8080` or `::1` as one between key and value, where YAML 1.2 (7.3.3) wants white space behind it.
func joinPlainColons(tokens token.Tokens) token.Tokens {
	var out token.Tokens
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		if t.Type == token.MappingValueType && i+1 < len(tokens) && isPlain(tokens[i+1]) && touches(t, tokens[i+1]) {
			if last := lastOf(out); last != nil && isPlain(last) && touches(last, t) {
				out[len(out)-1] = plainToken(last, t, tokens[i+1])
				i++
				continue
			} else if last != nil && opensValue(last) {
				out = append(out, plainToken(t, tokens[i+1]))
				i++
				continue
			}
		}
		out = append(out, t)
	}
	link(out)
	return out
}

func lastOf(tokens token.Tokens) *token.Token {
	if len(tokens) == 0 {
		return nil
	}
	return tokens[len(tokens)-1]
}

// isPlain reports whether the token is a scalar without quotes.
func isPlain(t *token.Token) bool {
	switch t.Type {
	case token.StringType, token.IntegerType, token.FloatType, token.BoolType, token.NullType,
		token.BinaryIntegerType, token.OctetIntegerType, token.HexIntegerType, token.InfinityType, token.NanType:
		return true
	}
	return false
}

// opensValue reports whether a value may begin right behind the token.
func opensValue(t *token.Token) bool {
	return t.Type == token.SequenceStartType || t.Type == token.CollectEntryType
}

// touches reports whether nothing stands between two tokens of a line.
func touches(a, b *token.Token) bool {
	return a.Position.Line == b.Position.Line && a.Position.Column+utf8.RuneCountInString(a.Value) == b.Position.Column
}

func plainToken(parts ...*token.Token) *token.Token {
	value, origin := "", ""
	for _, p := range parts {
		value += p.Value
		origin += p.Origin
	}
	return token.String(value, origin, parts[0].Position)
}

func link(tokens token.Tokens) {
	for i, t := range tokens {
		t.Prev, t.Next = nil, nil
		if i > 0 {
			t.Prev, tokens[i-1].Next = tokens[i-1], t
		}
	}
}
