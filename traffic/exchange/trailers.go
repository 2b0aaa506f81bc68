package exchange

import (
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// arrivedTrailers are those of an answer whose content has ended, if the client wants to see them.
func (x *Exchange) arrivedTrailers() []byte {
	if !x.client.stream.TakesTrailers() {
		return nil
	}
	return x.attempt.conn.Stream.Trailers()
}

// requestTrailers are those of the request's trailers that may pass.
func (x *Exchange) requestTrailers() []byte {
	if len(x.request.body.trailers) == 0 {
		return nil
	}
	named := message.NamesIn(&x.request.head.Fields, message.FieldConnection)
	return http1.AppendTrailers(nil, x.request.body.trailers, func(name []byte) bool { return mayPass(&named, x.request.route.RequestHeaders, name) })
}

// responseTrailers are those of the answer's trailers that may pass.
func (x *Exchange) responseTrailers() []byte {
	if len(x.response.body.trailers) == 0 {
		return nil
	}
	var named message.Names
	named.Add(x.response.body.hop)
	return http1.AppendTrailers(nil, x.response.body.trailers, func(name []byte) bool { return mayPass(&named, x.request.route.ResponseHeaders, name) })
}

// announcedTrailers are the names of the trailers that the request has announced.
func (x *Exchange) announcedTrailers() message.Names {
	return message.NamesIn(&x.request.head.Fields, message.FieldTrailer)
}

// connectionNames is what the Connection fields of a head name, which will be written over by its successor before the trailers come.
func connectionNames(f *message.Fields) (names []byte) {
	for i := range f.List {
		if f.List[i].ID == message.FieldConnection {
			names = append(append(names, f.ValueOf(i)...), ',')
		}
	}
	return names
}

// mayPass reports whether neither a Connection field of the head, which names named, nor an edit, which is meant for the field wherever it stands, takes the trailer out.
func mayPass(named *message.Names, edit *filter.HeaderEdit, name []byte) bool {
	return !named.Has(name) && (edit == nil || !edit.Drops(name))
}

// appendAnnounced passes the announcement of the request's trailers on.
func (x *Exchange) appendAnnounced(b []byte) []byte {
	return appendTrailerField(b, &x.request.head.Fields, x.request.route.RequestHeaders)
}

// appendTrailerField announces those of the trailers that a head announces which may pass.
func appendTrailerField(b []byte, f *message.Fields, edit *filter.HeaderEdit) []byte {
	first := true
	named := message.NamesIn(f, message.FieldConnection)
	for i := range f.List {
		if f.List[i].ID != message.FieldTrailer {
			continue
		}
		for v := f.ValueOf(i); len(v) > 0; {
			var name []byte
			if name, v = message.NextItem(v); !http1.MayTrail(name) || !mayPass(&named, edit, name) {
				continue
			}
			if first {
				b = append(b, "Trailer: "...)
			} else {
				b = append(b, ", "...)
			}
			b, first = append(b, name...), false
		}
	}
	if !first {
		b = append(b, "\r\n"...)
	}
	return b
}
