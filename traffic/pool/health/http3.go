package health

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"

	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// askHTTP3 is ask over QUIC, on a connection of its own: a server may be well by TCP, or not listen there at all.
func askHTTP3(ctx context.Context, p *probe) error {
	config := p.identity().Clone()
	config.NextProtos = []string{http3.NextProtoH3}
	own := net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.source(), 0))
	if !p.source().IsValid() {
		own = nil
	}
	socket, err := net.ListenUDP("udp", own)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer socket.Close()
	conn, err := quicgo.Dial(ctx, socket, net.UDPAddrFromAddrPort(p.address().AddrPort), config, &quicgo.Config{HandshakeIdleTimeout: p.Timeout, MaxIncomingStreams: -1})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.CloseWithError(quicgo.ApplicationErrorCode(http3.ErrCodeNoError), "")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+p.authority(443)+p.Path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set("Accept", "*/*")
	transport := &http3.Transport{DisableCompression: true, MaxResponseHeaderBytes: headMax}
	answer, err := transport.NewClientConn(conn).RoundTrip(request)
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	defer answer.Body.Close()
	return p.judge(answer)
}
