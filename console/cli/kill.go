package cli

import (
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/admin/client"
)

func killCommand() *cobra.Command {
	var address string
	k := api.Kill{}
	c := &cobra.Command{
		Use:   "kill SERVER|CLIENT",
		Short: "End the connections of a server or a client",
		Long: `Ends what is in progress at a server, or for a client: tunnels, WebSockets, requests and UDP flows. An address without a port is a client's.
Requests that only read and lose their server are sent to another one. New connections are not refused: to take a server out, use 'weir disable'
first. Connections that the kernel forwards (mode: nat and direct) are reset when one of their ends next sends.`,
		Example: "  weir kill 10.0.0.1:5432\n  weir kill 10.0.0.1:5432 --pool mysql\n  weir kill 192.0.2.7\n  weir kill 10.0.0.1:5432 --client 192.0.2.7",
		Args:    Arguments("SERVER|CLIENT"),
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := netip.ParseAddr(args[0]); err == nil && k.Client == "" && k.Pool == "" {
				k.Client = args[0]
			} else {
				k.Server = args[0]
			}
			killed, err := client.New(address).Kill(c.Context(), k)
			if err != nil {
				return err
			}
			if _, err = fmt.Fprintf(c.OutOrStdout(), "%s: %d ended\n", args[0], killed.Ended); err != nil || killed.Warning == "" {
				return err
			}
			fmt.Fprintln(c.ErrOrStderr(), "weir: warning: "+killed.Warning)
			return ErrNotSo
		},
	}
	AddAddressFlag(c, &address)
	c.Flags().StringVar(&k.Pool, "pool", "", "only what goes to this pool; SERVER is one of its servers")
	completePools(c)
	c.Flags().StringVar(&k.Client, "client", "", "only what this client has at SERVER")
	return c
}
