package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/admin/client"
)

func certsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "certs",
		Short: "Certificates that the running weir has obtained",
		Long:  "What can be done with the certificates that the running weir has obtained by ACME. Which there are, 'weir status' says.",
		Example: `  weir status
  weir certs revoke app.example.com`,
	}
	c.AddCommand(revokeCommand())
	return c
}

func revokeCommand() *cobra.Command {
	var address string
	var r api.Revocation
	c := &cobra.Command{
		Use:   "revoke NAME",
		Short: "Revoke a certificate and have another one obtained",
		Long: `Has the authority revoke the certificate that was obtained by ACME for NAME, as when its key has come into wrong hands. The certificate and its key
are deleted, and another one is obtained at once, with another key. Until it is there weir's own authority serves for the name.

--reason is what the authority is told: unspecified, key_compromise, affiliation_changed, superseded or cessation_of_operation.

For a name that no site has any more, no other certificate is obtained.`,
		Example: `  weir certs revoke app.example.com
  weir certs revoke app.example.com --reason key_compromise
  weir certs revoke "*.example.com" --address /run/weir/other.sock`,
		Args: Arguments("NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			r.Name = args[0]
			revoked, err := client.New(address).Revoke(c.Context(), r)
			if err != nil {
				return err
			}
			then := "no site wants another certificate"
			if revoked.Renews {
				then = "another certificate is being obtained"
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: revoked; %s\n", r.Name, then)
			return err
		},
	}
	AddAddressFlag(c, &address)
	c.Flags().StringVar(&r.Reason, "reason", "unspecified", "why, in a word that the authority takes")
	return c
}
