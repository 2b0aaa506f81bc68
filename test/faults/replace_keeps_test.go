package faults

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// A new binary knows which client is with which server, and the sessions of TLS.
func TestClientsStayWithTheirServersAndSessionsOverReplacements(t *testing.T) {
	const servers, clients = 4, 40
	pool := "persistence: { on: \"header:X-Client\" }, servers: ["
	for i := range servers {
		pool += fmt.Sprintf("%q, ", origin(t, fmt.Sprint("server", i)))
	}
	r := startReplaceable(t, pool+"]")
	sessions := tls.NewLRUClientSessionCache(clients)
	// ask is who answers a client, and whether its session went on. Each question is a connection of its own.
	ask := func(client int) (server string, resumed bool) {
		c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "good.test", ClientSessionCache: sessions}}}
		q, _ := http.NewRequest("GET", "https://"+r.secure+"/", nil)
		q.Header.Set("X-Client", fmt.Sprint(client))
		answer, err := c.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return string(text), answer.TLS.DidResume
	}
	first, used := map[int]string{}, map[string]bool{}
	for i := range clients {
		first[i], _ = ask(i)
		used[first[i]] = true
	}
	if len(used) < 2 {
		t.Fatalf("all clients are with %v", used)
	}
	for round := range 3 {
		r.replace("exec")
		if _, resumed := ask(0); !resumed {
			t.Errorf("replacement %d: a session did not go on", round)
		}
		for i := range clients {
			if now, _ := ask(i); now != first[i] {
				t.Errorf("replacement %d: client %d was with %s and is with %s", round, i, first[i], now)
			}
		}
	}
}
