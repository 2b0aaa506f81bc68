package client

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/control/admin/api"
)

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"/run/weir/admin.sock":   "unix /run/weir/admin.sock",
		"unix:/run/admin.sock":   "unix /run/admin.sock",
		"unix:admin.sock":        "unix admin.sock",
		"admin.sock":             "unix admin.sock",
		"./admin.sock":           "unix ./admin.sock",
		"run:1/admin.sock":       "unix run:1/admin.sock",
		"9180":                   "tcp 127.0.0.1:9180",
		":9180":                  "tcp 127.0.0.1:9180",
		"10.0.0.1:9180":          "tcp 10.0.0.1:9180",
		"[::1]:9180":             "tcp [::1]:9180",
		"http://10.0.0.1:9180":   "tcp 10.0.0.1:9180",
		"http://localhost:9180/": "tcp localhost:9180",
		"http://10.0.0.1":        "",
		"https://10.0.0.1:9180":  "",
		"ftp://a:1":              "",
	} {
		network, at, err := split(address)
		if err == nil && network+" "+at != want || (err != nil) != (want == "") {
			t.Errorf("%s: got %s %s, %v", address, network, at, err)
		}
		if err != nil && !strings.Contains(err.Error(), "host:port") {
			t.Errorf("%s: %v does not say what to write", address, err)
		}
	}
	if _, err := New("https://10.0.0.1:9180").Status(t.Context()); err == nil || !strings.Contains(err.Error(), "host:port") {
		t.Errorf("a call says %v", err)
	}
}

// A relative path is that of a socket, and an http URL a TCP address: both are really asked.
func TestASocketIsFoundByItsRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, listen := range [][2]string{{"unix", "a.sock"}, {"tcp", "127.0.0.1:0"}} {
		l, err := net.Listen(listen[0], listen[1])
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			json.NewEncoder(w).Encode(api.Status{Version: "this one"})
		})}
		go server.Serve(l)
		defer server.Close()
		address := listen[1]
		if listen[0] == "tcp" {
			address = "http://" + l.Addr().String()
		}
		if st, err := New(address).Status(context.Background()); err != nil || st.Version != "this one" {
			t.Errorf("%s: %v %v", address, st, err)
		}
	}
}
