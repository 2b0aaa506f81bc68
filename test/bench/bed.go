package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/weir-proxy/weir/test/peers"
)

// A bed is where the proxies stand: the origin behind them, the certificate, and the proxies themselves, which run
// through the whole program so that rounds can be interleaved.
type bed struct {
	seconds int // of each load

	dir         string
	certificate *peers.Certificate
	origin      *peers.Process
	originAt    string
	originH2C   string // the same origin, for HTTP/2 in clear
	chat        *chat
	echo        *echoServer
	echoAt      string
	binaries    map[string]string // of what was built here
	far         *peers.Link       // when a question needs it
	subjects    []*subject
}

// A subject is one running proxy.
type subject struct {
	name          string
	process       *peers.Process
	plainAddress  string
	secureAddress string
	tunnelAddress string // of bare TCP
	flowAddress   string // of UDP
}

func (s *subject) plain(path string) string  { return "http://" + s.plainAddress + path }
func (s *subject) tunnel(path string) string { return "http://" + s.tunnelAddress + path }
func (s *subject) secure(path string) string { return "https://" + s.secureAddress + path }

// newBed starts the origin and those of the named proxies that the questions need; before is the binary of weirBefore.
func newBed(names []string, chosen []*question, before string) (*bed, error) {
	b := &bed{binaries: map[string]string{weirBefore: before}}
	if err := b.start(names, chosen); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// start starts everything; after an error, close ends what was started.
func (b *bed) start(names []string, chosen []*question) (err error) {
	if b.dir, err = os.MkdirTemp("", "weir-bench-"); err != nil {
		return err
	}
	// nginx's workers run as another user when started by root.
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	if b.certificate, err = peers.NewCertificate(b.dir); err != nil {
		return err
	}
	if err := b.startOrigin(); err != nil {
		return err
	}
	if b.chat, err = newChat(); err != nil {
		return err
	}
	if b.echo, err = startEcho(); err != nil {
		return err
	}
	b.echoAt = b.echo.address
	for _, name := range names {
		if !slices.ContainsFunc(chosen, func(q *question) bool { return slices.Contains(q.subjects, name) }) {
			continue
		}
		s, err := b.fresh(name)
		if err != nil {
			return err
		}
		b.subjects = append(b.subjects, s)
	}
	return nil
}

// among returns the running subjects that are named.
func (b *bed) among(names ...string) []*subject {
	var found []*subject
	for _, s := range b.subjects {
		if slices.Contains(names, s.name) {
			found = append(found, s)
		}
	}
	return found
}

// fresh starts one more process of a proxy; the caller stops it.
func (b *bed) fresh(name string) (*subject, error) { return b.freshAt(name, "") }

// freshAt is fresh with a proxy that listens for TLS at another IP address, there with HTTP/3 too.
func (b *bed) freshAt(name, ip string) (*subject, error) {
	start, known := starters()[name]
	if !known {
		return nil, fmt.Errorf("no proxy %q", name)
	}
	addresses, err := peers.FreeAddresses(5)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir, name+"-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // as b.dir
		return nil, err
	}
	if ip != "" {
		addresses[1] = net.JoinHostPort(ip, peers.Port(addresses[1]))
	}
	s := &subject{name: name, plainAddress: addresses[0], secureAddress: addresses[1], tunnelAddress: addresses[3], flowAddress: addresses[4]}
	s.process, err = start(b, dir, site{
		Plain: addresses[0], Secure: addresses[1], Admin: peers.AdminSocket(), Tunnel: addresses[3], Flow: addresses[4], Echo: b.echoAt, Origin: b.originAt, OriginH2C: b.originH2C, Chat: b.chat.address(),
		Cert: b.certificate.Cert, Key: b.certificate.Key, Both: b.certificate.Both, HTTP3: ip != "" && slices.Contains(s.farVersions(), "http3"),
	})
	return s, err
}

// link makes the link of the questions about distance, once.
func (b *bed) link() (err error) {
	if b.far == nil {
		b.far, err = peers.NewLink(distanceDelay)
	}
	return err
}

// startOrigin writes the bodies and starts the nginx that serves them.
func (b *bed) startOrigin() error {
	dir := filepath.Join(b.dir, "origin")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for name, size := range map[string]int{"128": 128, "10k": 10_000, "100k": 100_000, "1m": 1_000_000, "sink": 1} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o644); err != nil {
			return err
		}
	}
	if err := sparse(filepath.Join(dir, "1g"), 1_000_000_000); err != nil {
		return err
	}
	// What is asked for by HTTP/2 has paths of its own.
	if err := os.Symlink(".", filepath.Join(dir, "h2c")); err != nil {
		return err
	}
	addresses, err := peers.FreeAddresses(2)
	if err != nil {
		return err
	}
	config, err := fill("origin.conf", site{Plain: addresses[0], OriginH2C: addresses[1]})
	if err != nil {
		return err
	}
	b.originAt, b.originH2C = addresses[0], addresses[1]
	b.origin, err = peers.Nginx(dir, config, addresses...)
	return err
}

// sparse makes a file of zeros that takes no room.
func sparse(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size)
}

// close stops all and removes the directory.
func (b *bed) close() {
	for _, s := range b.subjects {
		s.process.Stop()
	}
	if b.origin != nil {
		b.origin.Stop()
	}
	if b.chat != nil {
		b.chat.close()
	}
	if b.echo != nil {
		b.echo.stop()
	}
	if b.far != nil {
		b.far.Close()
	}
	os.RemoveAll(b.dir)
}
