package message

// AppendUpgrade appends the protocols that a request's Upgrade fields offer and that an intermediary may pass on, as a list: any but other versions of
// HTTP and TLS. RFC 9110 section 7.8: "Upgrade … only applies to switching protocols on top of the existing connection": a server that speaks HTTP/2
// from there on would get requests that nobody has checked.
func AppendUpgrade(dst []byte, f *Fields) []byte {
	start := len(dst)
	for i := range f.List {
		if f.List[i].ID != FieldUpgrade {
			continue
		}
		for list := f.ValueOf(i); len(list) > 0; {
			var item []byte
			if item, list = NextItem(list); len(item) == 0 || isVersionOfHTTP(item) {
				continue
			}
			if len(dst) > start {
				dst = append(dst, ", "...)
			}
			dst = append(dst, item...)
		}
	}
	return dst
}

// OffersUpgrade reports whether AppendUpgrade would append something.
func OffersUpgrade(f *Fields) bool {
	return anyUpgrade(f, func([]byte) bool { return true })
}

// OffersProtocol reports whether the protocol is among those that AppendUpgrade appends.
func OffersProtocol(f *Fields, protocol []byte) bool {
	return anyUpgrade(f, func(item []byte) bool { return EqualFold(item, string(protocol)) })
}

func anyUpgrade(f *Fields, is func(item []byte) bool) bool {
	for i := range f.List {
		if f.List[i].ID != FieldUpgrade {
			continue
		}
		for list := f.ValueOf(i); len(list) > 0; {
			var item []byte
			if item, list = NextItem(list); len(item) > 0 && !isVersionOfHTTP(item) && is(item) {
				return true
			}
		}
	}
	return false
}

func isVersionOfHTTP(protocol []byte) bool {
	name := protocol
	for i, c := range protocol {
		if c == '/' {
			name = protocol[:i]
			break
		}
	}
	for _, s := range [...]string{"http", "h2c", "h2", "h3", "tls"} {
		if EqualFold(name, s) {
			return true
		}
	}
	return false
}
