package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/control/admin/client"
)

// completionMost bounds how long a shell waits for the names of servers.
const completionMost = 2 * time.Second

// completeServers completes the first argument with the servers of the running weir. Without one there is nothing to complete.
func completeServers(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	address, _ := c.Flags().GetString("address")
	ctx, cancel := context.WithTimeout(context.Background(), completionMost)
	defer cancel()
	status, err := client.New(address).Status(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	only, _ := c.Flags().GetString("pool")
	var names []string
	for _, p := range status.Pools {
		for _, s := range p.Servers {
			if only == "" || only == p.Name {
				names = append(names, s.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}
