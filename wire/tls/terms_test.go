package tls

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"
)

// Authorities that prove a name by tls-alpn-01 have no certificate, and may speak TLS 1.2; nobody else gets in by that.
func TestAuthoritiesAreMetWithoutACertificate(t *testing.T) {
	cert, pool := certificate(t)
	get := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil }
	own := NewPolicy("own", tls.VersionTLS12, []string{"h2", "http/1.1", ChallengeProtocol}, get)
	own.Config.ClientCAs, own.Config.ClientAuth = pool, tls.RequireAndVerifyClientCert
	terms := NewTerms(own, nil, false)
	terms.TakeChallenges(NewPolicy("challenges", tls.VersionTLS12, []string{ChallengeProtocol}, get))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, c := range []struct {
			offers     []string
			negotiates string // "": refused
		}{
			{[]string{ChallengeProtocol}, ChallengeProtocol}, {nil, ""}, {[]string{"http/1.1"}, ""}, {[]string{"http/1.1", ChallengeProtocol}, ""}, {[]string{ChallengeProtocol, "h2"}, ""},
		} {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			got := make(chan string, 1)
			go func() {
				raw, err := ln.Accept()
				if err != nil {
					got <- err.Error()
					return
				}
				defer raw.Close()
				raw.SetDeadline(time.Now().Add(5 * time.Second))
				s := tls.Server(raw, terms.Own().Config)
				if s.Handshake() != nil {
					got <- ""
					return
				}
				got <- s.ConnectionState().NegotiatedProtocol
			}()
			raw, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			client := tls.Client(raw, &tls.Config{ServerName: "localhost", InsecureSkipVerify: true, NextProtos: c.offers, MinVersion: version, MaxVersion: version})
			client.Handshake()
			io.Copy(io.Discard, client)
			if is := <-got; is != c.negotiates {
				t.Errorf("TLS %x, %q: %q, want %q", version, c.offers, is, c.negotiates)
			}
			raw.Close()
			ln.Close()
		}
	}
}
