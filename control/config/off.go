package config

import "reflect"

// off marks a written zero of a Duration, Size, Percent or Count while inheritance is being resolved, where zero means
// "not written".
const off = -1

// dropOff turns the marks into zeros, everywhere below v.
func dropOff(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				dropOff(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			dropOff(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			dropOff(v.Elem())
		}
	}
	switch p := v.Addr().Interface().(type) {
	case *Duration:
		*p = max(*p, 0)
	case *Size:
		*p = max(*p, 0)
	case *Percent:
		*p = max(*p, 0)
	case *Count:
		*p = max(*p, 0)
	}
}
