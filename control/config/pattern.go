package config

import (
	"regexp"
	"strings"
)

// Pattern is what a value must be: a text, an RE2 expression after `~`, or `*` for any value at all.
type Pattern struct {
	Kind PatternKind
	Text string // the text or the expression, without `~`
}

// PatternKind says how a Pattern's text is meant.
type PatternKind uint8

const (
	Exact   PatternKind = iota // the value is the text
	Regexp                     // the value matches the RE2 expression
	Present                    // there is a value
)

// String is the form that the file takes.
func (p Pattern) String() string {
	switch p.Kind {
	case Regexp:
		return "~" + p.Text
	case Present:
		return "*"
	}
	return p.Text
}

// FromText takes a text, `~expression` and `*`.
func (p *Pattern) FromText(text string) error {
	expression, isRegexp := strings.CutPrefix(text, "~")
	switch {
	case text == "*":
		*p = Pattern{Kind: Present}
	case isRegexp:
		if err := checkRegexp(expression); err != nil {
			return err
		}
		*p = Pattern{Regexp, expression}
	default:
		*p = Pattern{Exact, text}
	}
	return nil
}

func checkRegexp(expression string) error {
	_, err := regexp.Compile(expression)
	if err != nil {
		return problemf("%q is no RE2 expression: %s", expression, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return nil
}
