package http1

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/weir-proxy/weir/test/peers"
)

var subjectName = flag.String("subject", "weir", "what to test: weir, nginx or haproxy")

// tally counts cases for the last line.
var tally score

// A score is how many cases were right.
type score struct {
	mu            sync.Mutex
	passed, asked int
}

func (s *score) count(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if err == nil {
		s.passed++
	}
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := peers.Main(m)
	fmt.Printf("%s: %d of %d cases as they must be\n", *subjectName, tally.passed, tally.asked)
	os.Exit(code)
}

// startSubject starts a proxy before the server given, with a body limit of 1 MiB, and returns its address.
func startSubject(dir, server string) (string, *peers.Process, error) {
	addresses, err := peers.FreeAddresses(2)
	if err != nil {
		return "", nil, err
	}
	// nginx's workers run as another user when started by root.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", nil, err
	}
	fill := strings.NewReplacer("FRONT", addresses[0], "ADMIN", peers.AdminSocket(), "SERVER", server).Replace
	var p *peers.Process
	switch *subjectName {
	case "weir":
		var binary string
		if binary, err = peers.WeirBinary(); err == nil {
			p, err = peers.Weir(binary, dir, fill(weirConfig), addresses[0])
		}
	case "nginx":
		p, err = peers.Nginx(dir, fill(nginxConfig), addresses[0])
	case "haproxy":
		p, err = peers.HAProxy(dir, fill(haproxyConfig), addresses[0])
	default:
		err = errors.New("no subject " + *subjectName)
	}
	return addresses[0], p, err
}

const weirConfig = `
listeners:
  front: { address: "FRONT" }
pools:
  server: { servers: ["SERVER"], eject: off }
sites:
  "*": { pool: server, body_limit: 1MiB }
admin: "ADMIN"
logs: { access: off }
`

const nginxConfig = `
daemon off;
pid nginx.pid;
error_log stderr crit;
events { }
http {
    access_log off;
    client_max_body_size 1m;
    client_body_temp_path body;
    proxy_temp_path proxy;
    upstream server { server SERVER max_fails=0; keepalive 8; }
    server {
        listen FRONT;
        location / {
            proxy_pass http://server;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_request_buffering off;
            proxy_next_upstream off;
        }
    }
}
`

const haproxyConfig = `
global
    nbthread 2
defaults
    mode http
    http-reuse always
    retries 0
    timeout connect 3s
    timeout client 10s
    timeout server 10s
frontend front
    bind FRONT
    default_backend server
backend server
    server server SERVER
`
