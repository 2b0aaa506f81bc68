package http2

// Priority is what a client says of the order in which it wants its answers (RFC 9218 section 4).
type Priority struct {
	Urgency     uint8 // 0 is the most urgent, 7 the least
	Incremental bool  // parts of the answer are of use, so answers of one urgency take turns
}

// DefaultPriority is what holds where nothing is said.
var DefaultPriority = Priority{Urgency: 3}

// ParsePriority reads a Priority field or the value of a PRIORITY_UPDATE frame: a dictionary of RFC 9651, of which u and i are of interest. What is
// malformed, or out of range, is as if it were not there (section 4: "MUST be treated as … the default").
func ParsePriority(b []byte) Priority {
	p := DefaultPriority
	for len(b) > 0 {
		end := 0
		for end < len(b) && b[end] != ',' {
			end++
		}
		item := trim(b[:end])
		b = b[min(end+1, len(b)):]
		switch {
		case len(item) == 3 && item[0] == 'u' && item[1] == '=' && '0' <= item[2] && item[2] <= '7':
			p.Urgency = item[2] - '0'
		case len(item) == 1 && item[0] == 'i', string(item) == "i=?1":
			p.Incremental = true
		case string(item) == "i=?0":
			p.Incremental = false
		}
	}
	return p
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
