package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/admin/client"
)

// completionMost bounds how long a shell waits for the names of servers and pools.
const completionMost = 2 * time.Second

// completeServers completes the first argument with the servers of the running weir. Without one there is nothing to complete.
func completeServers(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	only, _ := c.Flags().GetString("pool")
	return completed(c, func(p *api.Pool) (names []string) {
		for i := range p.Servers {
			if only == "" || only == p.Name {
				names = append(names, p.Servers[i].Name)
			}
		}
		return names
	})
}

// completePools completes --pool with the pools of the running weir that have the server of the first argument, or all where there is none.
func completePools(c *cobra.Command) {
	err := c.RegisterFlagCompletionFunc("pool", func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return completed(c, func(p *api.Pool) []string {
			isMeant := func(s api.Server) bool { return s.Name == args[0] || s.Address == args[0] }
			if len(args) > 0 && !slices.ContainsFunc(p.Servers, isMeant) {
				return nil
			}
			return []string{p.Name}
		})
	})
	if err != nil {
		panic("BUG: " + err.Error())
	}
}

// completed is what of says of the pools of the running weir, in order and each once.
func completed(c *cobra.Command, of func(*api.Pool) []string) (names []string, _ cobra.ShellCompDirective) {
	address, _ := c.Flags().GetString("address")
	ctx, cancel := context.WithTimeout(context.Background(), completionMost)
	defer cancel()
	status, err := client.New(address).Status(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for i := range status.Pools {
		names = append(names, of(&status.Pools[i])...)
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}
