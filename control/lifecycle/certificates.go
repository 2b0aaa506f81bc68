package lifecycle

import (
	"context"

	"github.com/weir-proxy/weir/control/admin/api"
)

// RevokeCertificate has a certificate revoked that was obtained by ACME. It waits for the authority.
func (d *Daemon) RevokeCertificate(ctx context.Context, r api.Revocation) (*api.Revoked, error) {
	renews, err := d.running.Load().Issuer.Revoke(ctx, r.Name, r.Reason)
	return &api.Revoked{Renews: renews}, err
}
