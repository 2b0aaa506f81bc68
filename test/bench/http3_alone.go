package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"

	"github.com/quic-go/quic-go/http3"

	"github.com/weir-proxy/weir/test/peers"
)

// quicAlone is quic-go with answers from memory, and no server behind it: what every proxy pays that has it below.
const quicAlone = "quic-go alone"

func startQUICAlone(_ *bed, dir string, s site) (*peers.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return peers.Start("quic-go", dir, exec.Command(self, "quic-go", s.Secure, s.Cert, s.Key), s.Secure)
}

// serveQUICAlone is the main program of that; it ends when it is stopped. Over TCP it only takes connections, which says that it is ready.
func serveQUICAlone(address, cert, key string) error {
	certificate, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return err
	}
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	if _, err := net.Listen("tcp", address); err != nil {
		return err
	}
	bodies := map[string][]byte{"/128": make([]byte, 128), "/1m": make([]byte, 1_000_000)}
	answer := func(w http.ResponseWriter, r *http.Request) {
		body := bodies[r.URL.Path]
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	}
	server := http3.Server{Handler: http.HandlerFunc(answer), TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{certificate}})}
	return server.Serve(packets)
}
