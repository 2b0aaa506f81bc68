package health

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/quic-go/quic-go/http3"
)

func TestHTTP3(t *testing.T) {
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS() // for its certificate
	defer certified.Close()
	trusted := certified.Client().Transport.(*http.Transport).TLSClientConfig
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	s := &http3.Server{TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: certified.TLS.Certificates}),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var status int
			fmt.Sscanf(r.URL.Path, "/%d", &status)
			w.WriteHeader(status)
			fmt.Fprint(w, r.Host, " ", r.UserAgent(), " ", r.Proto)
		})}
	go s.Serve(socket)
	defer s.Close()
	silent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	address := socket.LocalAddr().String()
	for _, c := range []struct {
		address string
		config  Config
		want    string
	}{
		{address, Config{Path: "/200", TLS: trusted}, ""},
		{address, Config{Path: "/503", TLS: trusted}, "status 503"},
		{address, Config{Path: "/200", TLS: trusted, Host: "example.com", Body: "example.com weir-health HTTP/3.0"}, ""},
		{address, Config{Path: "/200", TLS: trusted, Body: "ill"}, `no "ill" in the body`},
		{address, Config{Path: "/200"}, "unknown authority"},
		{address, Config{Path: "/200", TLS: trusted, Host: "other.test"}, "other.test"},
		{silent.LocalAddr().String(), Config{Path: "/200", TLS: trusted}, "connect"},
	} {
		c.config.Type = "http3"
		wants(t, fmt.Sprintf("%+v", c.config), check(t, c.address, c.config), c.want)
	}
}
