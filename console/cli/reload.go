package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/admin/client"
)

func reloadCommand() *cobra.Command {
	var address string
	var asJSON bool
	var options client.ReloadOptions
	c := &cobra.Command{
		Use:   "reload",
		Short: "Have the running weir read its configuration again",
		Long: `Asks the running weir to read its configuration again and prints what is wrong with it, as 'weir check' does, and the plan: which listeners,
pools, servers, sites and routes are added (+), changed (~) and removed (-), and what becomes of connections. What the plan does not name is
not touched; a configuration with an error changes nothing.

With --dry-run nothing is changed: the plan says what a reload would do.

The exit status is 0 when the configuration was taken, or would be, warnings or not, and 1 when it was refused.`,
		Example: `  weir reload
  weir reload --dry-run
  weir check && weir reload
  weir reload --address /run/weir/other.sock`,
		Args: Arguments(),
		RunE: func(c *cobra.Command, _ []string) error {
			out := c.OutOrStdout()
			options.Color = UsesColor(out) && !asJSON
			r, err := client.New(address).Reload(c.Context(), options)
			switch {
			case err != nil:
				return err
			case asJSON:
				return writeReloadJSON(out, r)
			}
			return writeReload(out, r)
		},
	}
	AddAddressFlag(c, &address)
	c.Flags().BoolVar(&options.DryRun, "dry-run", false, "print the plan and change nothing")
	c.Flags().BoolVar(&asJSON, "json", false, "print the answer as JSON")
	return c
}

func writeReloadJSON(w io.Writer, r *api.Reload) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return err
	}
	if !r.OK {
		return ErrNotSo
	}
	return nil
}

func writeReload(w io.Writer, r *api.Reload) error {
	if _, err := io.WriteString(w, r.Rendered); err != nil {
		return err
	}
	if !r.OK {
		if !hasErrors(r.Problems) {
			fmt.Fprintln(w, r.Error)
		}
		return ErrNotSo
	}
	did := "reloaded"
	if r.DryRun {
		did = "dry run; nothing was changed, and a reload would do this"
	}
	if r.Plan.IsEmpty() {
		did += "; nothing has changed"
		if r.DryRun {
			did = "dry run; nothing would change"
		}
	}
	if _, err := fmt.Fprintln(w, did); err != nil {
		return err
	}
	return r.Plan.Write(w)
}

// hasErrors reports whether the rendered problems say already why the configuration was refused.
func hasErrors(problems []api.Problem) bool {
	for _, p := range problems {
		if !p.Warning {
			return true
		}
	}
	return false
}
