package filter

import (
	"strconv"
	"strings"

	"github.com/weir-proxy/weir/wire/message"
)

// Page is an answer's body in one or several forms, of which each client gets the one it likes best. Immutable.
type Page struct {
	forms     [pageForms][]pagePart
	has       [pageForms]bool
	UsesID    bool // some form has {request_id}
	formCount int
}

// PageForm is the language a page is written in.
type PageForm uint8

const (
	PageHTML PageForm = iota
	PageJSON
	PagePlain
	pageForms
)

var pageTypes = [pageForms]string{"text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"}

// ContentType is the form's media type.
func (f PageForm) ContentType() string { return pageTypes[f] }

// PageFacts are what the variables of pages stand for. All bytes are borrowed for the call.
type PageFacts struct {
	Status     int
	Reason, ID string
	Host, Path []byte
}

// pagePart is a text, or a variable.
type pagePart struct{ text, variable string }

// PageVariables are the words that may stand in braces in pages. Braces around anything else are text, as style sheets and scripts are full of
// them.
func PageVariables() []string { return []string{"status", "reason", "request_id", "host", "path"} }

// NewPage makes a page of its forms; a form without text is none. nil without any.
func NewPage(html, json, plain string) *Page {
	p := &Page{}
	for form, text := range [pageForms]string{html, json, plain} {
		if text != "" {
			p.forms[form], p.has[form] = p.parse(text), true
			p.formCount++
		}
	}
	if p.formCount == 0 {
		return nil
	}
	return p
}

func (p *Page) parse(text string) (parts []pagePart) {
	for text != "" {
		at, name := nextVariable(text)
		if name == "" {
			return append(parts, pagePart{text: text})
		}
		p.UsesID = p.UsesID || name == "request_id"
		parts = append(parts, pagePart{text: text[:at]}, pagePart{variable: name})
		text = text[at+len(name)+2:]
	}
	return parts
}

// nextVariable finds the first variable and where its brace opens.
func nextVariable(text string) (at int, name string) {
	at = len(text)
	for _, v := range PageVariables() {
		if i := strings.Index(text[:at], "{"+v+"}"); i >= 0 {
			at, name = i, v
		}
	}
	return at, name
}

// Append appends the page in a form that it has.
func (p *Page) Append(dst []byte, form PageForm, f *PageFacts) []byte {
	for i := range p.forms[form] {
		part := &p.forms[form][i]
		switch part.variable {
		case "":
			dst = append(dst, part.text...)
		case "status":
			dst = strconv.AppendInt(dst, int64(f.Status), 10)
		case "reason":
			dst = form.appendEscaped(dst, []byte(f.Reason))
		case "request_id":
			dst = form.appendEscaped(dst, []byte(f.ID))
		case "host":
			dst = form.appendEscaped(dst, f.Host)
		case "path":
			dst = form.appendEscaped(dst, f.Path)
		}
	}
	return dst
}

// appendEscaped appends what came from outside so that it stays text: in HTML between tags and in quoted attributes, in JSON within a string.
func (f PageForm) appendEscaped(dst, value []byte) []byte {
	const hex = "0123456789abcdef"
	for _, c := range value {
		switch {
		case c < ' ' || c >= 0x7f:
			// Paths are percent-encoded, names ASCII: what is not is of no use to a reader.
			dst = append(dst, '?')
		case f == PageHTML && (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'' || c == '`'):
			dst = append(dst, "&#"...)
			dst = strconv.AppendInt(dst, int64(c), 10)
			dst = append(dst, ';')
		case f == PageJSON && (c == '"' || c == '\\' || c == '<' || c == '>' || c == '&'):
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// Choose finds the form that suits an Accept field best (RFC 9110 section 12.5.1); without one, or where none suits, the first there is.
func (p *Page) Choose(accept []byte) PageForm {
	best, most, precise := p.first(), 0, -1
	if p.formCount == 1 || len(accept) == 0 {
		return best
	}
	for form := range pageForms {
		if !p.has[form] {
			continue
		}
		if q, how := form.quality(accept); q > most || q == most && q > 0 && how > precise {
			best, most, precise = form, q, how
		}
	}
	return best
}

func (p *Page) first() PageForm {
	for form := range pageForms {
		if p.has[form] {
			return form
		}
	}
	return PagePlain
}

// quality is how much the client likes the form, in thousandths, by the most specific range that takes it, and how specific that is. Of two
// that are liked alike, the one that was asked for by its name wins.
func (f PageForm) quality(accept []byte) (q, specific int) {
	specific = -1
	for len(accept) > 0 {
		var item []byte
		item, accept = message.NextItem(accept)
		media, parameters, _ := strings.Cut(string(item), ";")
		media = strings.TrimSpace(media)
		if s := f.matches(media); s > specific {
			q, specific = qualityOf(parameters), s
		}
	}
	return q, specific
}

// matches says how specifically a media range takes the form; -1: not at all.
func (f PageForm) matches(media string) int {
	own, _, _ := strings.Cut(f.ContentType(), ";")
	kind, _, _ := strings.Cut(own, "/")
	isJSON := f == PageJSON && len(media) > 5 && strings.EqualFold(media[len(media)-5:], "+json")
	switch {
	case strings.EqualFold(media, own), isJSON:
		return 2
	case strings.EqualFold(media, kind+"/*"):
		return 1
	case media == "*/*":
		return 0
	}
	return -1
}

// qualityOf is the weight among the parameters of a range: "qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )"
// (RFC 9110 section 12.4.2).
func qualityOf(parameters string) int {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 1000
		}
		return int(q * 1000)
	}
	return 1000
}
