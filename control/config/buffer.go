package config

// Buffer is how much of bodies is held back. A bare size is that of responses; `off` is none: everything goes on as it comes.
type Buffer struct {
	// How much of a response is taken from the server before the client gets any of it. One that ends within leaves the server free however slow the
	// client is, and one that breaks off within is asked for again. Event streams, and what says X-Accel-Buffering: no, go on as they come.
	Response Size `yaml:"response,short" example:"1MiB"`

	// How much of a request's body is taken from the client before a server is asked for, so that slow clients keep no server busy and the request can be
	// sent to another one. Larger bodies go on as they come.
	Request Size `yaml:"request" example:"256KiB"`

	// How much more, of each, goes to a file below `data` where it does not fit: a request's body before a server is asked for, and as much of a response
	// as a slow client lags behind the server.
	Spill Size `yaml:"spill" example:"1GiB"`

	// Off is set by `buffer: off`; Load replaces such a value by nil.
	Off bool `yaml:"-"`
}

// bufferMost bounds what an exchange may hold in memory.
const bufferMost = 256 << 20

// FromWord takes `off`.
func (b *Buffer) FromWord(word string) (err error) {
	if b.Off, err = isOff(word); err == nil && !b.Off {
		err = problemf("want a size, such as 1MiB")
	}
	return err
}

func (r *reader) checkBuffer(path string, b *Buffer) {
	if b == nil || b.Off {
		return
	}
	if b.Response > bufferMost {
		r.wrong(joinPath(path, "response"), "is memory, for each request under way; at most 256MiB, the rest is for spill")
	}
	if b.Request > bufferMost {
		r.wrong(joinPath(path, "request"), "is memory, for each request under way; at most 256MiB, the rest is for spill")
	}
	switch {
	case b.Spill > 0 && b.Response <= 0 && b.Request <= 0:
		r.wrong(joinPath(path, "spill"), "takes what does not fit into memory; give response or request a size too")
	case b.Spill > 0 && b.Spill < 1<<20:
		r.wrong(joinPath(path, "spill"), "is not worth a file; give it 1MiB at least")
	}
}
