package acme

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// ErrNoCertificate: nothing has been obtained for the name, or it has been revoked already.
var ErrNoCertificate = errors.New("no certificate has been obtained for this name")

// reasons are why a certificate is revoked, of those of RFC 5280 section 5.3.1 that authorities take.
var reasons = map[string]int{
	"unspecified":            acme.ReasonUnspecified,
	"key_compromise":         acme.ReasonKeyCompromise,
	"affiliation_changed":    acme.ReasonAffiliationChanged,
	"superseded":             acme.ReasonSuperseded,
	"cessation_of_operation": acme.ReasonCessationOfOperation,
}

// Revoke tells the authority that the certificate of a name is not to be trusted any more, and forgets it with its key. "" as reason is unspecified. A
// name that is managed gets another one as soon as Renew is called.
func (c *Client) Revoke(ctx context.Context, name, reason string) error {
	if reason == "" {
		reason = "unspecified"
	}
	code, known := reasons[reason]
	if !known {
		return fmt.Errorf("reason %q: want one of %s", reason, strings.Join(slices.Sorted(maps.Keys(reasons)), ", "))
	}
	revoked := 0
	for _, issuer := range c.magic.Issuers {
		switch err := c.revokeAt(ctx, issuer, name, code); {
		case err == nil:
			revoked++
		case !errors.Is(err, fs.ErrNotExist): // of the others of several authorities there is none
			return fmt.Errorf("revoke %s: %w", name, err)
		}
	}
	if revoked == 0 {
		return fmt.Errorf("revoke %s: %w", name, ErrNoCertificate)
	}
	c.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: name}})
	c.mu.Lock()
	delete(c.known, name)
	c.mu.Unlock()
	return nil
}

func (c *Client) revokeAt(ctx context.Context, issuer certmagic.Issuer, name string, code int) error {
	one := *c.magic
	one.Issuers = []certmagic.Issuer{issuer}
	return one.RevokeCert(ctx, name, code, false)
}

// Renew obtains another certificate for a name whose own was revoked, if it is managed. It does not wait.
func (c *Client) Renew(name string) (managed bool) {
	c.mu.Lock()
	_, managed = slices.BinarySearch(c.names, name)
	c.mu.Unlock()
	if managed && c.ctx.Err() == nil {
		c.magic.ManageAsync(c.ctx, []string{name})
	}
	return managed
}
