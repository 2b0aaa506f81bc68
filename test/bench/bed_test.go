package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
)

// What is compared must be the same: each proxy, as it is configured here, hands through every body and over TLS 1.3
// with the same cipher. Caddy is left out: building it takes minutes.
func TestMain(m *testing.M) {
	if !helps(os.Args) {
		os.Exit(m.Run())
	}
}

func TestEachProxyServesTheSame(t *testing.T) {
	b, err := newBed([]string{"nginx", "haproxy", "weir"}, questions(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	cert, err := os.ReadFile(b.certificate.Cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	for _, s := range b.subjects {
		for path, size := range map[string]int{"/128": 128, "/100k": 100_000, "/1m": 1_000_000} {
			if err := get(client, s.plain(path), size); err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
			if err := get(client, s.secure(path), size); err != nil {
				t.Errorf("%s over TLS: %v", s.name, err)
			}
		}
		response, err := client.Post(s.plain("/sink"), "text/plain", bytes.NewReader(make([]byte, 10_000)))
		if err != nil || response.StatusCode != 200 {
			t.Errorf("%s: POST: %v %v", s.name, response, err)
		}
	}
}

// get wants 200 and so many bytes.
func get(client *http.Client, url string, size int) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 || len(body) != size {
		return fmt.Errorf("%s: status %d, %d bytes, %v", url, response.StatusCode, len(body), err)
	}
	if s := response.TLS; s != nil && (s.Version != tls.VersionTLS13 || s.CipherSuite != tls.TLS_AES_128_GCM_SHA256) {
		return fmt.Errorf("%s: TLS version %x, cipher %s", url, s.Version, tls.CipherSuiteName(s.CipherSuite))
	}
	return nil
}

func TestPacerTimesEveryRequest(t *testing.T) {
	b, err := newBed([]string{"nginx"}, questions(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	taken, err := pace(context.Background(), b.subjects[0].plainAddress, "/128", 128, 1000, 1)
	if err != nil || taken["p50"] <= 0 || taken["p99"] < taken["p50"] {
		t.Errorf("got %v, %v", taken, err)
	}
	if _, err := pace(context.Background(), b.subjects[0].plainAddress, "/absent", 128, 100, 1); err == nil {
		t.Error("an answer that is not 200 was taken")
	}
}
