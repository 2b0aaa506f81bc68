package lifecycle

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/test/peers"
)

func TestReloadWithoutAnySiteIsRefusedAndServingGoesOn(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }))
	defer origin.Close()
	listen, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("LISTEN", listen, "ORIGIN", origin.Listener.Addr().String()).Replace(onePool)
	d, _, err := Start(Options{Loops: 1, Log: slog.New(slog.DiscardHandler),
		Load: func() (*config.Config, config.Problems) { return config.Parse("weir.yaml", []byte(text)) }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		d.Stop(ctx, nil)
	}()
	text = "" // as an editor leaves it for a moment
	var refused *Refused
	if _, _, err := d.Reload(); !errors.As(err, &refused) {
		t.Errorf("an empty file was taken: %v", err)
	}
	r, err := http.Get("http://" + listen + "/")
	if err != nil || r.StatusCode != 200 {
		t.Errorf("after it: %v, %v", r, err)
	}
}
