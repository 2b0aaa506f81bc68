package exchange

import (
	"reflect"
	"testing"
	"unsafe"
)

// An exchange is used again for another client. Whatever it held, reset leaves nothing but buffers and what belongs to the exchange itself: a request that is refused early would be logged,
// counted and answered with what another client has sent.
func TestResetLeavesNothingOfTheExchangeBefore(t *testing.T) {
	own := map[string]bool{
		"driver": true, "at": true, "isServer": true, "surplus": true, "facts": true, // made once; facts are gathered anew before they are read
		"in": true, "inLen": true, "ahead": true, "out": true, // buffers, with the next request's bytes
		"nextActive": true, "prevActive": true, "probe": true, "place": true, // given back by whoever has set them
		"up": true, "own": true, "hop": true, "searching": true, // begun anew with each attempt, or search
		"lone": true, "stream": true, // bound anew, which is looked at below
		"lastName": true, "viewBuf": true, "hostBuf": true, "pathBuf": true, "paths": true, "forwardBuf": true, "fields": true, // memory only
	}
	inWorld(t, nil, func(w *world) {
		p := w.driver.loops[0]
		s := &session{http: w.http, at: p}
		fresh, used := newExchange(w.driver, p), newExchange(w.driver, p)
		fresh.reset(s)
		v := reflect.ValueOf(used).Elem()
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; !own[name] {
				soil(v.Field(i))
			}
		}
		used.reset(s)
		used.reply.Buf = nil // memory only
		if used.stream != &used.lone || used.lone.Ended() || used.lone.TakesTrailers() || used.lone.BareOut() != nil {
			t.Errorf("the client's stream is %+v", used.lone)
		}
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if own[name] {
				continue
			}
			got, want := settable(v.Field(i)).Interface(), settable(reflect.ValueOf(fresh).Elem().Field(i)).Interface()
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s is %+v after an exchange, %+v at first", name, got, want)
			}
		}
	})
}

// settable is a field that may be written although it is not exported.
func settable(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
}

// soil fills a value with something that is not its zero value.
func soil(v reflect.Value) {
	v = settable(v)
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(7)
	case reflect.String:
		v.SetString("foreign")
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Array:
		for i := range v.Len() {
			soil(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			soil(v.Field(i))
		}
	}
}
