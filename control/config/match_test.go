package config

import (
	"reflect"
	"testing"
)

// A route with any condition takes fewer requests than one without: no field of Match is left out of the comparison.
func TestEveryConditionCountsWhereMatchesAreCompared(t *testing.T) {
	var none Match
	typ := reflect.TypeFor[Match]()
	for i := range typ.NumField() {
		field := typ.Field(i)
		if field.Type == reflect.TypeFor[Later]() {
			continue // refused when it is written
		}
		var m, same Match
		for _, to := range []*Match{&m, &same} {
			reflect.ValueOf(to).Elem().Field(i).Set(reflect.MakeSlice(field.Type, 1, 1))
		}
		if m.IsEmpty() || m.covers(&none) || m.equals(&none) {
			t.Errorf("Match.%s counts for nothing", field.Name)
		}
		if !none.covers(&m) || !m.covers(&same) || !m.equals(&same) {
			t.Errorf("Match.%s: does not cover what it should", field.Name)
		}
	}
}
