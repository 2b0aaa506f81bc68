package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/control/config"
)

// Program is what the command line needs from the rest of weir. The zero value has only what stands on its own.
type Program struct {
	// Version is what `weir version` prints.
	Version string

	// Schema is the JSON Schema of the configuration.
	Schema []byte

	// Verify finds what shows only when a configuration is put to work, such as a certificate that cannot be read. It
	// changes nothing. Nil finds nothing.
	Verify func(*config.Config) config.Problems

	// LookUp warns of names that do not resolve now, and takes some seconds at most. Nil warns of none.
	LookUp func(*config.Config) config.Problems

	// RunTests runs the tests of a configuration, one result for each. Nil makes `weir check` refuse a file with tests.
	RunTests func(*config.Config) []config.TestResult

	// Commands are added to those of this package.
	Commands []*cobra.Command
}

// ErrNotSo is returned by a command that did what it was asked and found that it is not so; it has said why.
var ErrNotSo = errors.New("not so")

// Run runs the command line and returns the exit status.
func Run(p Program, args []string, stdout, stderr io.Writer) int {
	root := New(p)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.InitDefaultCompletionCmd() // it keeps the output that is set
	refuseUnknown(root)
	began := false
	root.PersistentPreRun = func(*cobra.Command, []string) { began = true }
	switch err := root.Execute(); {
	case err == nil:
		return 0
	case errors.Is(err, ErrNotSo):
		return 1
	case began:
		fmt.Fprintf(stderr, "weir: %v\n", err)
		return 1
	default:
		fmt.Fprintf(stderr, "weir: %v\nRun 'weir --help' for usage.\n", err)
		return 2
	}
}

// New builds the root command.
func New(p Program) *cobra.Command {
	root := &cobra.Command{
		Use:   "weir",
		Short: "Reverse proxy and traffic manager",
		Long: `weir stands between clients and servers: it terminates, routes, balances, multiplexes, protects and explains traffic.

One file says what it does, weir.yaml; 'weir check' finds what is wrong with it before it is used.`,
		Example: `  weir check                   # is weir.yaml right, and do its tests pass?
  weir fmt -w                  # bring it into its canonical form
  weir schema > weir.schema.json`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       p.Version,
		Args:          noSuchCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },

		SuggestionsMinimumDistance: 2,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(checkCommand(p), fmtCommand(), schemaCommand(p), versionCommand(p), manCommand(), statusCommand(), reloadCommand(), certsCommand())
	root.AddCommand(serverCommands()...)
	root.AddCommand(killCommand())
	root.AddCommand(p.Commands...)
	for _, c := range root.Commands() {
		if _, argument, _ := strings.Cut(c.Use, " "); strings.HasPrefix(argument, "SERVER") {
			c.ValidArgsFunction = completeServers
		}
	}
	root.SetHelpCommand(helpCommand())
	return root
}

// AddConfigFlag adds `-c`, the same in every command that reads the configuration.
func AddConfigFlag(c *cobra.Command, path *string) {
	c.Flags().StringVarP(path, "config", "c", "weir.yaml", "configuration file; - is standard input")
	if err := c.MarkFlagFilename("config", "yaml", "yml"); err != nil {
		panic("BUG: " + err.Error())
	}
}
