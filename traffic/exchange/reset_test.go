package exchange

import (
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

// An exchange is used again for another client. Whatever it held, reset leaves nothing but buffers and what belongs to the exchange itself: a request that is refused early would be logged,
// counted and answered with what another client has sent.
func TestResetLeavesNothingOfTheExchangeBefore(t *testing.T) {
	own := map[string]bool{}
	for name := range strings.FieldsSeq(`
		driver at request.isServer client.surplus request.facts
		request.in request.inLen client.ahead attempt.out
		nextActive prevActive attempt.probe attempt.place
		attempt.up attempt.own request.hop response.searching
		client.lone client.stream
		request.lastName request.viewBuf request.hostBuf request.pathBuf request.paths request.forwardBuf fields`) {
		// Made once (facts are gathered anew before they are read); buffers, with the next request's bytes; given back by whoever has set them; begun anew with each attempt, or search; bound anew,
		// which is looked at below; memory only.
		own[name] = true
	}
	inWorld(t, nil, func(w *world) {
		p := w.driver.loops[0]
		s := &session{http: w.http, at: p}
		fresh, used := newExchange(w.driver, p), newExchange(w.driver, p)
		fresh.reset(s)
		eachField(used, func(name string, v reflect.Value) {
			if !own[name] {
				soil(v)
			}
		})
		used.reset(s)
		used.response.reply.Buf = nil // memory only
		if used.client.stream != &used.client.lone || used.client.lone.Ended() || used.client.lone.TakesTrailers() || used.client.lone.BareOut() != nil {
			t.Errorf("the client's stream is %+v", used.client.lone)
		}
		want := map[string]any{}
		eachField(fresh, func(name string, v reflect.Value) { want[name] = settable(v).Interface() })
		eachField(used, func(name string, v reflect.Value) {
			if got := settable(v).Interface(); !own[name] && !reflect.DeepEqual(got, want[name]) {
				t.Errorf("%s is %+v after an exchange, %+v at first", name, got, want[name])
			}
			delete(own, name)
		})
		for name := range own {
			t.Errorf("an exchange has no %s", name)
		}
	})
}

// eachField does something with each field of an exchange, and of its groups.
func eachField(x *Exchange, do func(name string, v reflect.Value)) {
	groups := map[string]bool{"client": true, "request": true, "attempt": true, "response": true, "timing": true}
	v := reflect.ValueOf(x).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if !groups[name] {
			do(name, v.Field(i))
			continue
		}
		for j := range v.Field(i).NumField() {
			do(name+"."+v.Field(i).Type().Field(j).Name, v.Field(i).Field(j))
		}
	}
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
