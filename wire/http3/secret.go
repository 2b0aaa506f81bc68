package http3

// secrets finds, beside the decoder, which fields of a section are never to be indexed: the decoder does not tell. It stops at what it cannot read, which is for the
// decoder to refuse.
type secrets struct{ rest []byte }

// start takes a section without a reference to a dynamic table, whose prefix is two bytes.
func (s *secrets) start(block []byte) { s.rest = block[min(2, len(block)):] }

// next goes over a field and reports whether it is never to be indexed (RFC 9204 sections 4.5.2, 4.5.4 and 4.5.6).
func (s *secrets) next() (is bool) {
	if len(s.rest) == 0 {
		return false
	}
	switch first := s.rest[0]; {
	case first&0x80 != 0: // indexed
		s.integer(6)
	case first&0x40 != 0: // a name that the table has
		is = first&neverIndexed != 0
		s.integer(4)
		s.text(7)
	default:
		is = first&(secretLiteral&^literal) != 0
		s.text(3)
		s.text(7)
	}
	return is
}

// integer goes over an integer with a prefix of the given number of bits (RFC 7541 section 5.1), which is not larger than the section.
func (s *secrets) integer(bits uint) (n int) {
	if len(s.rest) == 0 {
		return 0
	}
	most := 1<<bits - 1
	n = int(s.rest[0]) & most
	s.rest = s.rest[1:]
	if n < most {
		return n
	}
	for shift := uint(0); len(s.rest) > 0 && shift < 28; shift += 7 {
		c := s.rest[0]
		s.rest = s.rest[1:]
		if n += int(c&0x7f) << shift; c&0x80 == 0 {
			return n
		}
	}
	s.rest = nil
	return 0
}

// text goes over a string behind its length.
func (s *secrets) text(bits uint) {
	n := s.integer(bits)
	s.rest = s.rest[min(n, len(s.rest)):]
}
