package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/admin/client"
)

func reloadCommand() *cobra.Command {
	var address string
	c := &cobra.Command{
		Use:   "reload",
		Short: "Have the running weir read its configuration again",
		Long: `Asks the running weir to read its configuration again and prints what is wrong with it, as 'weir check' does, and what has
changed. What did not change is not touched; a configuration with an error changes nothing.

The exit status is 0 when the configuration was taken, warnings or not, and 1 when it was refused.`,
		Example: `  weir reload
  weir check && weir reload
  weir reload --address unix:/run/weir.sock`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			out := c.OutOrStdout()
			r, err := client.New(address).Reload(c.Context(), UsesColor(out))
			if err != nil {
				return err
			}
			return writeReload(out, r)
		},
	}
	AddAddressFlag(c, &address)
	return c
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
	what := strings.Join(r.Changed, "\n  ")
	if what == "" {
		_, err := fmt.Fprintln(w, "reloaded; nothing has changed")
		return err
	}
	_, err := fmt.Fprintf(w, "reloaded\n  %s\n", what)
	return err
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
