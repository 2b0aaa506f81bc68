package config

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// ServerAddress is where a server is.
type ServerAddress struct {
	// Scheme is `http` or `https` where a URL was written, else empty. Whether TLS is spoken is Pool.TLS, not this.
	Scheme string

	// Host is a name in lower case or an IP address without brackets.
	Host string

	// Port is set in a loaded Config, unless Unix or Pool.SamePort is.
	Port uint16

	// Unix is the path of a socket in the file system.
	Unix string
}

// IP returns the address where one was written in place of a name.
func (a ServerAddress) IP() (netip.Addr, bool) {
	ip, err := netip.ParseAddr(a.Host)
	return ip, err == nil
}

// String is `host:port` with an IPv6 host in brackets, or `unix:path`: the server's name in logs, metrics and state.
func (a ServerAddress) String() string {
	if a.Unix != "" {
		return "unix:" + a.Unix
	}
	host := a.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if a.Port == 0 {
		return host
	}
	return host + ":" + strconv.Itoa(int(a.Port))
}

// FromText takes `host`, `host:port`, `[ip6]:port`, `http://host`, `https://host:port` and `unix:/path`.
func (a *ServerAddress) FromText(text string) (err error) {
	*a = ServerAddress{}
	if path, found := strings.CutPrefix(text, "unix:"); found {
		if path = strings.TrimPrefix(path, "//"); path == "" || len(path) > socketPathMax {
			return problemf("%q: a socket's path has 1 to %d bytes", text, socketPathMax)
		}
		a.Unix = path
		return nil
	}
	rest := text
	if strings.Contains(text, "://") {
		if rest, err = a.fromURL(text); err != nil {
			return err
		}
	}
	return a.fromHostPort(text, rest)
}

func (a *ServerAddress) fromURL(text string) (hostPort string, err error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return "", problemf("%q is no URL of a server; write it like http://10.0.0.1:8080", text)
	case u.Scheme != "http" && u.Scheme != "https":
		return "", problemf("%q: a server's URL starts with http:// or https://", text)
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "", u.User != nil:
		return "", problemf("%q: a server's URL ends with its host and port; a path goes into the route's rewrite", text)
	}
	a.Scheme = u.Scheme
	return u.Host, nil
}

func (a *ServerAddress) fromHostPort(text, rest string) (err error) {
	host, port := rest, ""
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.HasSuffix(rest, "]") && strings.Count(rest, ":") < 2 || strings.HasPrefix(rest, "[") && i > strings.IndexByte(rest, ']') {
		host, port = rest[:i], rest[i+1:]
		if a.Port, err = parsePort(port); err != nil {
			return problemf("%q: %q is no port", text, port)
		}
	}
	if bare, found := strings.CutPrefix(host, "["); found {
		ip, err := netip.ParseAddr(strings.TrimSuffix(bare, "]"))
		if err != nil || !ip.Is6() {
			return problemf("%q: %q is no IPv6 address", text, host)
		}
		host = ip.String()
	} else if strings.Contains(host, ":") {
		return problemf("%q: an IPv6 address stands in brackets, like [::1]:8080", text)
	} else if !isHostName(host) {
		return problemf("%q is no server; write it like 10.0.0.1:8080, host.example:8080, https://host.example or unix:/run/app.sock", text)
	}
	a.Host = strings.ToLower(host)
	return nil
}

// isHostName reports whether the text could be resolved: labels of letters, digits, hyphens and underscores.
func isHostName(text string) bool {
	text = strings.TrimSuffix(text, ".")
	if text == "" || len(text) > 253 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, hostNameBytes) != "" {
			return false
		}
	}
	return true
}

const hostNameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
