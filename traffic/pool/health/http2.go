package health

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"

	"golang.org/x/net/http2"
)

// speaksHTTP2 reports whether the connection's server is spoken to by HTTP/2, as traffic does.
func (p *probe) speaksHTTP2() bool {
	if secure, isTLS := p.conn.(*tls.Conn); isTLS {
		return secure.ConnectionState().NegotiatedProtocol == "h2"
	}
	return p.HTTP2
}

// askHTTP2 is ask over HTTP/2, on a connection of its own.
func askHTTP2(ctx context.Context, p *probe) error {
	scheme, port := "http", uint16(80)
	if _, isTLS := p.conn.(*tls.Conn); isTLS {
		scheme, port = "https", 443
	}
	conn, err := (&http2.Transport{DisableCompression: true, MaxHeaderListSize: headMax}).NewClientConn(p.conn)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	defer conn.Close()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+p.authority(port)+p.Path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set("Accept", "*/*")
	answer, err := conn.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	defer answer.Body.Close()
	err = p.judge(answer)
	p.isWhole = false // the connection is closed
	return err
}
