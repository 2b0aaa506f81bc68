package certs

import (
	"context"
	"errors"
)

// Revoke has the authority revoke the certificate that was obtained by ACME for a name, and obtains another one, with another key, if it is still wanted. Until that is there weir's own
// authority serves for the name: what was revoked is shown to nobody.
func (i *Issuer) Revoke(ctx context.Context, name, reason string) (renews bool, err error) {
	i.mu.Lock()
	client := i.client
	i.mu.Unlock()
	if client == nil {
		return false, errors.New("this weir obtains no certificates by ACME")
	}
	if err := client.Revoke(ctx, name, reason); err != nil {
		return false, err
	}
	i.log.Info("certificate revoked by the operator", "name", name, "reason", reason)
	i.Refresh()
	return client.Renew(name), nil
}
