package files

import (
	"bytes"
	"fmt"
	"time"

	"github.com/weir-proxy/weir/wire/message"
)

// etag is a strong validator: another size, time of change or coding is another representation.
func etag(f *File) string {
	return fmt.Sprintf("%q", fmt.Sprintf("%x-%x%s", f.Modified.UnixNano(), f.Size, f.Encoding.suffix()))
}

// Conditions are a request's fields that an answer depends on.
type Conditions struct {
	IfMatch, IfNoneMatch, IfModifiedSince, IfUnmodifiedSince, IfRange, Range []byte
	IsHead                                                                   bool
}

// Status is 200, 304 or 412, in the order of RFC 9110 section 13.2.2; 200 says nothing of ranges yet.
func (c *Conditions) Status(f *File) int {
	switch {
	case c.IfMatch != nil:
		// Section 13.1.1: "An origin server MUST use the strong comparison function when comparing entity tags for If-Match".
		if !c.isListed(c.IfMatch, f.ETag, false) {
			return 412
		}
	case c.IfUnmodifiedSince != nil:
		if at, ok := date(c.IfUnmodifiedSince); ok && f.Modified.Truncate(time.Second).After(at) {
			return 412
		}
	}
	switch {
	case c.IfNoneMatch != nil:
		// Section 13.1.2: "A recipient MUST use the weak comparison function when comparing entity tags for If-None-Match".
		if c.isListed(c.IfNoneMatch, f.ETag, true) {
			return 304
		}
	case c.IfModifiedSince != nil:
		// Section 13.1.3: "A recipient MUST ignore If-Modified-Since if the request contains an If-None-Match header field".
		if at, ok := date(c.IfModifiedSince); ok && !f.Modified.Truncate(time.Second).After(at) {
			return 304
		}
	}
	return 200
}

// isListed reports whether an entity tag is in a list of them, or the list is "*".
func (c *Conditions) isListed(list []byte, etag string, weakly bool) bool {
	for len(list) > 0 {
		var item []byte
		item, list = nextTag(list)
		if string(item) == "*" {
			return true
		}
		if weak, isWeak := bytes.CutPrefix(item, []byte("W/")); isWeak && weakly {
			item = weak
		}
		if string(item) == etag {
			return true
		}
	}
	return false
}

// nextTag takes the first element off a list. A comma may stand in an entity tag.
func nextTag(list []byte) (item, rest []byte) {
	inside := false
	for i, c := range list {
		switch {
		case c == '"':
			inside = !inside
		case c == ',' && !inside:
			return message.TrimOWS(list[:i]), list[i+1:]
		}
	}
	return message.TrimOWS(list), nil
}

// date reads an HTTP-date in each of its three forms (RFC 9110 section 5.6.7).
func date(b []byte) (time.Time, bool) {
	for _, layout := range []string{"Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
		if at, err := time.Parse(layout, string(b)); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// Span is a part of a file.
type Span struct{ From, Length int64 }

// spansMost bounds the parts of one answer: each costs a hundred bytes of head, and a list of thousands is an attack.
const spansMost = 16

// Ranges are the parts that a request asks for; nil for the whole file. ok is false when it asks for nothing that there is: 416.
// RFC 9110 section 14.2: "A server MAY ignore the Range header field", which is done with what is malformed, too much, or overlaps.
func (c *Conditions) Ranges(f *File) (spans []Span, ok bool) {
	if c.Range == nil || c.IfRange != nil && !c.isSame(f) {
		return nil, true
	}
	set, isBytes := bytes.CutPrefix(c.Range, []byte("bytes="))
	if !isBytes {
		return nil, true
	}
	asked, total := 0, int64(0)
	for len(set) > 0 {
		var item []byte
		item, set = message.NextItem(set)
		if len(item) == 0 {
			continue
		}
		span, isRange := parseSpan(item, f.Size)
		if asked++; !isRange || asked > spansMost {
			return nil, true
		}
		if span.Length > 0 {
			spans = append(spans, span)
			total += span.Length
		}
	}
	if asked == 0 || total > f.Size {
		return nil, true
	}
	return spans, len(spans) > 0
}

// isSame is If-Range: the part is wanted of exactly this representation, or else the whole.
// RFC 9110 section 13.1.5: "A client MUST NOT generate an If-Range header field containing an entity tag that is marked as weak."
func (c *Conditions) isSame(f *File) bool {
	if at, ok := date(c.IfRange); ok {
		return f.Modified.Truncate(time.Second).Equal(at) && time.Since(f.Modified) > 2*time.Second
	}
	return string(c.IfRange) == f.ETag
}

// parseSpan reads first-last, first- or -suffix. A span of no length is one that the file does not have.
func parseSpan(item []byte, size int64) (span Span, ok bool) {
	first, last, found := bytes.Cut(item, []byte("-"))
	if !found {
		return Span{}, false
	}
	from, hasFirst := number(first)
	to, hasLast := number(last)
	switch {
	case len(first) > 0 && !hasFirst, len(last) > 0 && !hasLast, !hasFirst && !hasLast:
		return Span{}, false
	case !hasFirst:
		n := min(to, size)
		return Span{size - n, n}, true
	case hasLast && to < from:
		return Span{}, false
	case from >= size:
		return Span{}, true
	case !hasLast || to >= size:
		to = size - 1
	}
	return Span{from, to - from + 1}, true
}

// number reads digits; numbers beyond what a file may have count as that.
func number(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n < 1<<60/10 {
			n = n*10 + int64(c-'0')
		}
	}
	return n, len(b) > 0
}
