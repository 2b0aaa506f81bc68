package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/admin/client"
)

// While a new binary takes over, what would change something says so, and the command line asks again.
func TestChangesWaitForANewBinary(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 3 {
			w.WriteHeader(statusOf(w, api.ErrHanding, http.StatusNotFound))
			return
		}
		json.NewEncoder(w).Encode(api.Reload{OK: true})
	}))
	defer s.Close()
	r, err := client.New(strings.TrimPrefix(s.URL, "http://")).Reload(context.Background(), client.ReloadOptions{})
	if err != nil || !r.OK || asked != 3 {
		t.Errorf("%+v %v after %d", r, err, asked)
	}
}
