package acme

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// api is a provider's HTTP interface that speaks JSON.
type api struct {
	url    string
	header http.Header
	client http.Client
}

func newAPI(url string, header http.Header) api {
	return api{url, header, http.Client{Timeout: 30 * time.Second}}
}

// call sends in, if not nil, and reads the answer into out.
func (a *api) call(ctx context.Context, method, path string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, a.url+path, &body)
	if err != nil {
		return err
	}
	r.Header = a.header.Clone()
	r.Header.Set("Content-Type", "application/json")
	answer, err := a.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text[:min(len(text), 300)])
	}
	return json.Unmarshal(text, out)
}
