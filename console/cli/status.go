package cli

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/control/admin/client"
)

// AddAddressFlag adds `--address`, the same in every command that talks to a running weir.
func AddAddressFlag(c *cobra.Command, address *string) {
	c.Flags().StringVar(address, "address", "", "admin socket of the running weir (/path), or its admin address (host:port, with the token in "+client.TokenVariable+"); without it the default socket")
}

func statusCommand() *cobra.Command {
	var address string
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what the running weir does",
		Long: `Asks the running weir and prints its pools with their servers, its listeners and certificates, and for what reasons
exchanges failed.

MULTIPLEXING is client connections : server connections since the start, followed by the requests that one server connection
carried and the share of the requests that found one open.`,
		Example: `  weir status
  weir status --address /run/weir/other.sock
  WEIR_TOKEN=$(cat weir.token) weir status --address 10.0.0.1:9180
  weir status --json | jq '.pools[] | {name, ratio: .multiplexing.text}'
  watch -n1 weir status`,
		Args: Arguments(),
		RunE: func(c *cobra.Command, _ []string) error {
			st, err := client.New(address).Status(c.Context())
			if err != nil {
				return err
			}
			if !asJSON {
				return writeStatus(c.OutOrStdout(), st, UsesColor(c.OutOrStdout()))
			}
			e := json.NewEncoder(c.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(st)
		},
	}
	AddAddressFlag(c, &address)
	c.Flags().BoolVar(&asJSON, "json", false, "print the status as JSON")
	return c
}
