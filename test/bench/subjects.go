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
	Splice               bool   // HAProxy hands bodies through by splice, which is not its default
}

// starters says how each proxy is started.
func starters() map[string]func(*bed, string, site) (*peers.Process, error) {
	return map[string]func(*bed, string, site) (*peers.Process, error){
		"nginx": func(b *bed, dir string, s site) (*peers.Process, error) {
			config, err := fill("nginx.conf", s)
			if err != nil {
				return nil, err
			}
			return peers.Nginx(dir, config, s.Plain, s.Secure, s.Tunnel)
		},
		"haproxy": startHAProxy,
		"haproxy-splice": func(b *bed, dir string, s site) (*peers.Process, error) {
			s.Splice = true
			return startHAProxy(b, dir, s)
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

func startHAProxy(b *bed, dir string, s site) (*peers.Process, error) {
	config, err := fill("haproxy.cfg", s)
	if err != nil {
		return nil, err
	}
	return peers.HAProxy(dir, config, s.Plain, s.Secure, s.Tunnel)
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
