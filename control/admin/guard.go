package admin

import (
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guarded refuses what a web page can make a browser send, whoever's browser it is: the admin address has no other protection than who
// can reach it. Every answer forbids to be sniffed, framed, stored or to load anything.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		switch {
		case !isAddress(r.Host):
			fail(w, http.StatusForbidden, "the Host must be an IP address or localhost: a name may have been pointed here by somebody else")
		case len(r.Header["Origin"]) > 0:
			fail(w, http.StatusForbidden, "requests of web pages are not taken")
		case changes(r.Method) && !isDeliberate(r.Header):
			fail(w, http.StatusForbidden, "what changes something needs the header Content-Type: application/json or X-Weir: 1")
		default:
			r.Body = http.MaxBytesReader(w, r.Body, bodyMax)
			next.ServeHTTP(w, r)
		}
	})
}

// isAddress reports whether host, with or without a port, is no name that DNS could point here (DNS rebinding): all configured addresses
// are IP addresses.
func isAddress(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	_, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return err == nil
}

func changes(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// isDeliberate reports whether there is a header that a form, or a script without leave, cannot send.
func isDeliberate(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && kind == "application/json" || h.Get("X-Weir") == "1"
}
