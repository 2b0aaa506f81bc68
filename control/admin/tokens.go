package admin

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"

	"github.com/weir-proxy/weir/control/config"
)

// tokens are the digests of those that open the API over TCP. Digests have one length and are compared without regard to their text, so that the time of a
// comparison says nothing about a token.
type tokens struct{ digests map[[sha256.Size]byte]string }

func newTokens(list []config.AdminToken) *tokens {
	t := &tokens{digests: map[[sha256.Size]byte]string{}}
	for i := range list {
		t.digests[sha256.Sum256([]byte(list[i].Token.Value))] = list[i].Name
	}
	return t
}

// holder is the name of the token that the request shows; empty if it shows none that is known. RFC 6750 section 2.1: "credentials = "Bearer" 1*SP b64token".
func (t *tokens) holder(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if t == nil || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return t.digests[sha256.Sum256([]byte(strings.TrimLeft(token, " ")))]
}

// publicPaths are those that a TCP address answers to everybody: what load balancers and Prometheus ask for.
var publicPaths = []string{"/metrics", "/healthz", "/readyz"}

// socketOnly begins the paths that no token opens: a profile shows memory, and with it keys and clients' data.
const socketOnly = "/debug/"

// restricted lets through what a TCP address answers.
func (s *Server) restricted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		switch {
		case slices.Contains(publicPaths, path) && !changes(r.Method):
		case strings.HasPrefix(path, socketOnly):
			fail(w, http.StatusForbidden, "profiles are answered on the Unix socket only")
			return
		case s.tokens.Load().holder(r) == "":
			// RFC 6750 section 3: "the resource server MUST include the HTTP "WWW-Authenticate" response header field".
			w.Header().Set("WWW-Authenticate", `Bearer realm="weir"`)
			fail(w, http.StatusUnauthorized, "over TCP everybody gets "+strings.Join(publicPaths, ", ")+"; everything else needs a token of admin.tokens, or the Unix socket")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// handlerOf is what l answers with.
func (s *Server) handlerOf(l *listening) http.Handler {
	if l.isPrivate() {
		return s.handler
	}
	return s.public
}
