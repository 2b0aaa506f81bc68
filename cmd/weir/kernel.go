package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/console/cli"
	"github.com/weir-proxy/weir/kernel/netfilter"
)

// kernelCommand shows and removes the tables that outlive their weir.
func kernelCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "kernel list|remove",
		Short: "List and remove what on_stop: keep has left in the kernel",
		Long: `Pools with mode: nat or direct and on_stop: keep go on in the kernel when weir stops. A weir with the same configuration file takes their tables over. Tables of a
configuration that was renamed or removed are taken over by nobody, and go on taking traffic: list shows them, remove takes them out.`,
		Example: `  weir kernel list
  weir kernel remove weir-kept-1f2e3d4c-nat
  weir kernel remove --all`,
	}
	c.AddCommand(kernelListCommand(), kernelRemoveCommand())
	return c
}

func kernelListCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the tables that outlive their weir",
		Args:  cli.Arguments(),
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := netfilter.ListKept()
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(c.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(list)
			}
			if len(list) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "no tables are kept")
			}
			for _, k := range list {
				fmt.Fprintf(c.OutOrStdout(), "%s  of %s, %s\n", k.Table, k.Config, usedBy(&k))
				for _, a := range k.Addresses {
					fmt.Fprintf(c.OutOrStdout(), "    %v\n", a)
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the tables as JSON")
	return c
}

func kernelRemoveCommand() *cobra.Command {
	var all, force bool
	c := &cobra.Command{
		Use:   "remove TABLE… | --all",
		Short: "Remove tables that outlive their weir",
		Long: "Removes kept tables, as `weir kernel list` names them. Their connections are reset. --all leaves those that a running weir uses, unless --force is given too; " +
			"a weir that runs with a table that is removed puts it back.",
		RunE: func(c *cobra.Command, names []string) error {
			list, err := netfilter.ListKept()
			if err != nil {
				return err
			}
			if all == (len(names) > 0) {
				return errors.New("name tables, or give --all")
			}
			is := map[string]bool{}
			for _, k := range list {
				is[k.Table] = true
				if all && len(k.Used) > 0 && !force {
					fmt.Fprintf(c.OutOrStdout(), "left %s: it is %s; name it, or give --force\n", k.Table, usedBy(&k))
				} else if all {
					names = append(names, k.Table)
				}
			}
			for _, name := range names {
				if !is[name] {
					return fmt.Errorf("no table %q is kept; see weir kernel list", name)
				}
				if err := netfilter.RemoveKept(name); err != nil {
					return err
				}
				fmt.Fprintln(c.OutOrStdout(), "removed", name)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&all, "all", false, "remove all of them that no running weir uses")
	c.Flags().BoolVar(&force, "force", false, "with --all: also those that a running weir uses")
	return c
}

// usedBy says who takes care of a table.
func usedBy(k *netfilter.Kept) string {
	switch n := len(k.Used); n {
	case 0:
		return "used by no running weir"
	case 1:
		return fmt.Sprintf("used by the running weir, process %d", k.Used[0])
	default:
		return fmt.Sprintf("used by running weirs, processes %v", k.Used)
	}
}
