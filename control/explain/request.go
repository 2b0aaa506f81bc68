package explain

import (
	"fmt"
	"net/netip"
	"strings"
)

// Request is a request to be explained.
type Request struct {
	Method string  // GET by default
	URL    string  // http://host:port/path?query; without a scheme any listener may take it
	Fields []Field // header fields; a Host among them replaces the URL's
	Client netip.Addr
	To     netip.AddrPort // where the client wanted to go: chooses among listeners, and for routes that ask for it; invalid: where the URL leads
}

// Field is a header field.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// DefaultClient is who asks unless it is said: an address of the documentation's (RFC 5737).
func DefaultClient() netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, 1}) }

// ParseField takes "Name: value".
func ParseField(text string) (Field, error) {
	name, value, found := strings.Cut(text, ":")
	if !found || name == "" {
		return Field{}, fmt.Errorf("%q is no header field; write it like 'X-Name: value'", text)
	}
	return Field{name, strings.TrimSpace(value)}, nil
}

// target is a URL taken apart, its path and query as written.
type target struct {
	scheme string // http, https, or "" where none was written
	host   string // with port
	port   string
	path   string // with query
}

// portOrDefault is the port, or the one of the scheme; "" without either.
func (t *target) portOrDefault() string {
	if t.port != "" {
		return t.port
	}
	return map[string]string{"http": "80", "https": "443"}[t.scheme]
}

func parseURL(url string) (target, error) {
	var t target
	rest := url
	if scheme, after, found := strings.Cut(url, "://"); found {
		t.scheme, rest = strings.ToLower(scheme), after
		if t.scheme != "http" && t.scheme != "https" {
			return t, fmt.Errorf("%q: a URL starts with http:// or https://", url)
		}
	}
	rest, _, _ = strings.Cut(rest, "#")
	t.host, t.path = rest, "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		t.host, t.path = rest[:i], rest[i:]
	}
	if t.path[0] == '?' {
		t.path = "/" + t.path
	}
	if t.host == "" || strings.Contains(t.host, "@") {
		return t, fmt.Errorf("%q is not a URL; write it like https://app.example.com/path", url)
	}
	if i := strings.LastIndexByte(t.host, ':'); i > strings.LastIndexByte(t.host, ']') {
		t.port = t.host[i+1:]
	}
	return t, nil
}

// raw is the request as a client would send it.
func (r *Request) raw(t *target) ([]byte, error) {
	method := r.Method
	if method == "" {
		method = "GET"
	}
	host, fields := t.host, ""
	for _, f := range r.Fields {
		if strings.EqualFold(f.Name, "host") {
			host = f.Value
		} else {
			fields += f.Name + ": " + f.Value + "\r\n"
		}
		if strings.ContainsAny(f.Name+f.Value, "\r\n") {
			return nil, fmt.Errorf("header field %q holds a line end", f.Name)
		}
	}
	if strings.ContainsAny(method+t.path+host, "\r\n") {
		return nil, fmt.Errorf("the request line holds a line end")
	}
	return []byte(method + " " + t.path + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n"), nil
}
