package exchange

import (
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// takesTrailers reports whether the client wants to see the answer's trailers. RFC 9110 section 6.5.1: "Trailer fields ought to be generated
// only when the sender knows that they can be processed"; who has not asked may merge them into a head that is checked already.
func (x *Exchange) takesTrailers() bool { return x.stream != nil || x.req.Trailers && x.req.Minor >= 1 }

// arrivedTrailers are those of an answer whose content has ended, if the client wants to see them.
func (x *Exchange) arrivedTrailers() []byte {
	if !x.takesTrailers() {
		return nil
	}
	return x.conn.Stream.Trailers()
}

// requestTrailers are those of the request's trailers that may pass.
func (x *Exchange) requestTrailers() []byte {
	if len(x.body.chunks.Trailers) == 0 {
		return nil
	}
	named := message.NamesIn(&x.req.Fields, message.FieldConnection)
	return http1.AppendTrailers(nil, x.body.chunks.Trailers, func(name []byte) bool { return mayPass(&named, x.route.RequestHeaders, name) })
}

// responseTrailers are those of the answer's trailers that may pass.
func (x *Exchange) responseTrailers() []byte {
	if len(x.rest.trailers) == 0 {
		return nil
	}
	return x.appendShown(nil)
}

// appendShown appends those of the answer's trailers that may pass.
func (x *Exchange) appendShown(b []byte) []byte {
	var named message.Names
	named.Add(x.rest.hop)
	return http1.AppendTrailers(b, x.rest.trailers, func(name []byte) bool { return mayPass(&named, x.route.ResponseHeaders, name) })
}

// announced reports whether the request has announced a trailer of that name.
func (x *Exchange) announced(name []byte) bool {
	names := message.NamesIn(&x.req.Fields, message.FieldTrailer)
	return names.Has(name)
}

// appendResponseEnd ends a chunked answer with those of its trailers that may pass.
func (x *Exchange) appendResponseEnd(b []byte) []byte {
	b = append(b, "0\r\n"...)
	if len(x.rest.trailers) > 0 {
		b = x.appendShown(b)
	}
	return append(b, "\r\n"...)
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
	if !x.body.chunks.Collect {
		return b
	}
	return appendTrailerField(b, &x.req.Fields, x.route.RequestHeaders)
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
