package acme

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/libdns/libdns"
)

// cloudflare writes records through Cloudflare's API, version 4, with a token that may edit the zone's DNS.
type cloudflare struct{ api api }

func newCloudflare(d *DNS) (certmagic.DNSProvider, error) {
	if d.Token == "" {
		return nil, errors.New("cloudflare needs a token")
	}
	return &cloudflare{newAPI(cmp.Or(d.Server, "https://api.cloudflare.com/client/v4"), http.Header{"Authorization": {"Bearer " + d.Token}})}, nil
}

// found is what a list of the API has.
type found struct {
	Result []struct {
		ID string `json:"id"`
	} `json:"result"`
}

func (c *cloudflare) zone(ctx context.Context, name string) (id string, err error) {
	var list found
	err = c.api.call(ctx, "GET", "/zones?name="+url.QueryEscape(strings.TrimSuffix(name, ".")), nil, &list)
	if err == nil && len(list.Result) == 0 {
		err = fmt.Errorf("the token knows no zone %s", name)
	}
	if err != nil {
		return "", err
	}
	return list.Result[0].ID, nil
}

// AppendRecords adds the records.
func (c *cloudflare) AppendRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	id, err := c.zone(ctx, zone)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		rr := r.RR()
		record := map[string]any{"type": "TXT", "name": absolute(rr.Name, zone), "content": rr.Data, "ttl": 60}
		if err := c.api.call(ctx, "POST", "/zones/"+id+"/dns_records", record, &struct{}{}); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// DeleteRecords takes exactly these records away.
func (c *cloudflare) DeleteRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	id, err := c.zone(ctx, zone)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		rr := r.RR()
		var list found
		query := url.Values{"type": {"TXT"}, "name": {absolute(rr.Name, zone)}, "content": {rr.Data}}
		if err := c.api.call(ctx, "GET", "/zones/"+id+"/dns_records?"+query.Encode(), nil, &list); err != nil {
			return nil, err
		}
		for _, f := range list.Result {
			if err := c.api.call(ctx, "DELETE", "/zones/"+id+"/dns_records/"+f.ID, nil, &struct{}{}); err != nil {
				return nil, err
			}
		}
	}
	return records, nil
}

func absolute(name, zone string) string {
	return strings.TrimSuffix(libdns.AbsoluteName(name, zone), ".")
}
