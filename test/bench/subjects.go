package main

import (
	"embed"
	"strings"
	"text/template"

	"github.com/weir-proxy/weir/test/peers"
)

//go:embed config
var configs embed.FS

// A site is what the configuration of each proxy is filled with.
type site struct {
	Plain, Secure, Admin string // addresses to listen on; Admin is a socket
	Origin, OriginH2C    string
	Chat                 string // that echoes WebSocket messages
	Tunnel               string // of bare TCP, to the origin
	Flow, Echo           string // of UDP, and where it leads
	Cert, Key, Both      string // files
	Modules              string // the directory of nginx's
	HTTP3                bool   // beside TLS; weir and Caddy have it always
	Splice               bool   // HAProxy hands bodies through by splice, which is not its default
}

// starters says how each proxy is started.
func starters() map[string]func(*bed, string, site) (*peers.Process, error) {
	return map[string]func(*bed, string, site) (*peers.Process, error){
		"nginx":       startNginx(newest),
		"haproxy":     startHAProxy(newest),
		"nginx-old":   startNginx(peers.Find),
		"haproxy-old": startHAProxy(peers.Find),
		"haproxy-splice": func(b *bed, dir string, s site) (*peers.Process, error) {
			s.Splice = true
			return startHAProxy(newest)(b, dir, s)
		},
		"caddy": func(b *bed, dir string, s site) (*peers.Process, error) {
			return b.built("caddy", "Caddyfile", s, func(binary, config string) (*peers.Process, error) {
				return peers.Caddy(binary, dir, config, s.Plain)
			})
		},
		quicAlone:  startQUICAlone,
		"weir":     startWeir("weir"),
		weirBefore: startWeir(weirBefore),
	}
}

// weirBefore is the weir that a change is measured against.
const weirBefore = "weir-before"

func startWeir(name string) func(*bed, string, site) (*peers.Process, error) {
	return func(b *bed, dir string, s site) (*peers.Process, error) {
		return b.built(name, "weir.yaml", s, func(binary, config string) (*peers.Process, error) {
			return peers.Weir(binary, dir, config, s.Plain, s.Secure, s.Tunnel)
		})
	}
}

// newest finds the newer version of a peer that 'make newer' has unpacked, and the system's if there is none. The report says which versions ran.
func newest(program string) (string, error) {
	if path, err := peers.Newer(program); err == nil {
		return path, nil
	}
	return peers.Find(program)
}

func startNginx(find func(string) (string, error)) func(*bed, string, site) (*peers.Process, error) {
	return func(_ *bed, dir string, s site) (*peers.Process, error) {
		nginx, err := find("nginx")
		if err != nil {
			return nil, err
		}
		s.Modules = peers.ModulesOf(nginx)
		config, err := fill("nginx.conf", s)
		if err != nil {
			return nil, err
		}
		return peers.NginxOf(nginx, dir, config, s.Plain, s.Secure, s.Tunnel)
	}
}

func startHAProxy(find func(string) (string, error)) func(*bed, string, site) (*peers.Process, error) {
	return func(_ *bed, dir string, s site) (*peers.Process, error) {
		haproxy, err := find("haproxy")
		if err != nil {
			return nil, err
		}
		config, err := fill("haproxy.cfg", s)
		if err != nil {
			return nil, err
		}
		return peers.HAProxyOf(haproxy, dir, config, s.Plain, s.Secure, s.Tunnel)
	}
}

// built starts a proxy that is built here, once.
func (b *bed) built(name, config string, s site, start func(binary, config string) (*peers.Process, error)) (*peers.Process, error) {
	if b.binaries[name] == "" {
		build := peers.BuildCaddy
		if name == "weir" {
			build = func() (string, error) { return peers.BuildWeir(b.dir) }
		}
		binary, err := build()
		if err != nil {
			return nil, err
		}
		b.binaries[name] = binary
	}
	filled, err := fill(config, s)
	if err != nil {
		return nil, err
	}
	return start(b.binaries[name], filled)
}

// fill returns a configuration of the config directory with the site's values.
func fill(name string, s site) (string, error) {
	t, err := template.ParseFS(configs, "config/"+name)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = t.Execute(&out, s)
	return out.String(), err
}
