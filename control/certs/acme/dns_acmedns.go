package acme

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/libdns/libdns"
)

// acmeDNS writes records of an acme-dns server, which knows nothing but them: _acme-challenge.NAME is an alias of a name there.
type acmeDNS struct {
	api       api
	subdomain string
}

func newACMEDNS(d *DNS) (certmagic.DNSProvider, error) {
	if d.Server == "" || d.User == "" || d.Password == "" || d.Subdomain == "" {
		return nil, errors.New("acme-dns needs server, user, password and subdomain")
	}
	return &acmeDNS{newAPI(strings.TrimSuffix(d.Server, "/"), http.Header{"X-Api-User": {d.User}, "X-Api-Key": {d.Password}}), d.Subdomain}, nil
}

// AppendRecords sets the record; the server keeps the last two.
func (a *acmeDNS) AppendRecords(ctx context.Context, _ string, records []libdns.Record) ([]libdns.Record, error) {
	for _, r := range records {
		update := map[string]string{"subdomain": a.subdomain, "txt": r.RR().Data}
		if err := a.api.call(ctx, "POST", "/update", update, &struct{}{}); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// DeleteRecords leaves them to be overwritten: the server has no way to delete.
func (a *acmeDNS) DeleteRecords(_ context.Context, _ string, records []libdns.Record) ([]libdns.Record, error) {
	return records, nil
}
