package http2

import (
	"context"
	"crypto/tls"

	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// quic is a client of HTTP/3 of quic-go's.
func (w *world) quic() *http3.Transport {
	tr := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: w.roots, ServerName: "localhost"}, Dial: w.dialQUIC}
	w.t.Cleanup(func() { tr.Close() })
	return tr
}

func (w *world) dialQUIC(ctx context.Context, _ string, config *tls.Config, q *quicgo.Config) (*quicgo.Conn, error) {
	return quicgo.DialAddrEarly(ctx, w.secure, config, q)
}
