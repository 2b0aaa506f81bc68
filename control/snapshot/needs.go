package snapshot

import (
	"strings"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/traffic/site"
)

// Needs says in words what sites need of the connections of a listener. Immutable.
type Needs struct {
	own string
	of  map[*site.Site]string
}

// NeedsOf are those of a listener.
func NeedsOf(cfg *config.Config, sites *site.Index, l *config.Listener) *Needs {
	ofListener := asks(cfg, l)
	n := &Needs{own: ofListener.words(l.TLS == nil), of: map[*site.Site]string{}}
	for i := range cfg.Sites {
		s := &cfg.Sites[i]
		if a, written := ofListener.on(s); written {
			n.of[sites.Site(s.Name)] = a.words(l.TLS == nil)
		}
	}
	return n
}

// Of is what a site needs; "" where any connection will do.
func (n *Needs) Of(s *site.Site) string {
	if words, written := n.of[s]; written {
		return words
	}
	return n.own
}

// words says what is asked for; "" if that is no more than any client of the listener has.
func (a asked) words(inClear bool) string {
	var words []string
	if a.auth.Asks() {
		how := "a certificate of the client is required"
		if a.auth.Verify == "optional" {
			how = "a certificate of the client is asked for"
		}
		words = append(words, how+", signed by "+strings.Join(a.auth.CA, " or "))
	}
	if a.minVersion == "1.3" || a.minVersion != "" && inClear {
		words = append(words, "TLS "+a.minVersion+" is required")
	}
	return strings.Join(words, ", and ")
}
