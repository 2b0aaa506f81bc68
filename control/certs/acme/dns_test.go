package acme

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/libdns/libdns"
)

var record = []libdns.Record{libdns.TXT{Name: "_acme-challenge.www", Text: "value", TTL: time.Minute}}

// provider makes one and has it write a record and take it away.
func writes(t *testing.T, d *DNS) {
	t.Helper()
	p, err := providers[d.Provider](d)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.AppendRecords(t.Context(), "example.com.", record); err != nil || len(got) != 1 {
		t.Fatalf("append: %v, %v", got, err)
	}
	if _, err := p.DeleteRecords(context.WithoutCancel(t.Context()), "example.com.", record); err != nil {
		t.Fatal(err)
	}
}

func TestCloudflareIsAskedAsItsDocumentsSay(t *testing.T) {
	var calls []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := r.Method + " " + r.URL.Path
		if name := r.URL.Query().Get("name"); name != "" {
			call += " " + name
		}
		if r.Method == "POST" {
			var body map[string]any
			json.NewDecoder(r.Body).Decode(&body)
			call += " " + body["type"].(string) + " " + body["name"].(string) + " " + body["content"].(string)
		}
		calls = append(calls, call)
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusForbidden)
		}
		id := "zone1"
		if strings.Contains(r.URL.Path, "dns_records") {
			id = "record1"
		}
		if r.Method == "GET" {
			w.Write([]byte(`{"success":true,"result":[{"id":"` + id + `"}]}`))
		} else {
			w.Write([]byte(`{"success":true,"result":{"id":"` + id + `"}}`))
		}
	}))
	defer server.Close()
	writes(t, &DNS{Provider: "cloudflare", Server: server.URL, Token: "secret"})
	want := `GET /zones example.com
POST /zones/zone1/dns_records TXT _acme-challenge.www.example.com value
GET /zones example.com
GET /zones/zone1/dns_records _acme-challenge.www.example.com
DELETE /zones/zone1/dns_records/record1`
	if got := strings.Join(calls, "\n"); got != want {
		t.Errorf("asked\n%s\nwant\n%s", got, want)
	}
	p, _ := newCloudflare(&DNS{Server: server.URL, Token: "wrong"})
	if _, err := p.AppendRecords(t.Context(), "example.com.", record); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("a wrong token: %v", err)
	}
}

func TestACMEDNSIsUpdated(t *testing.T) {
	got := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]string
		json.NewDecoder(r.Body).Decode(&body)
		got = r.URL.Path + " " + r.Header.Get("X-Api-User") + " " + r.Header.Get("X-Api-Key") + " " + body["subdomain"] + " " + body["txt"]
		w.Write([]byte(`{"txt":"value"}`))
	}))
	defer server.Close()
	writes(t, &DNS{Provider: "acme-dns", Server: server.URL, User: "u", Password: "p", Subdomain: "s"})
	if got != "/update u p s value" {
		t.Errorf("got %q", got)
	}
}

func TestAProgramIsTold(t *testing.T) {
	dir := t.TempDir()
	script, out := filepath.Join(dir, "record"), filepath.Join(dir, "out")
	os.WriteFile(script, []byte("#!/bin/sh\necho \"$@\" >> "+out+"\n"), 0o700)
	writes(t, &DNS{Provider: "exec", Command: []string{script, "--zone", "z"}})
	got, _ := os.ReadFile(out)
	if want := "--zone z present _acme-challenge.www.example.com. value\n--zone z cleanup _acme-challenge.www.example.com. value\n"; string(got) != want {
		t.Errorf("told %q", got)
	}
	p, _ := newCommand(&DNS{Command: []string{"/bin/false"}})
	if _, err := p.AppendRecords(t.Context(), "example.com.", record); err == nil {
		t.Error("a program that failed was believed")
	}
}
