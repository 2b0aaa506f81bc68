package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func schemaCommand(p Program) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration",
		Long: `Prints the JSON Schema of weir.yaml, with which editors complete and explain keys while you write.

What a schema cannot say, such as pools that do not exist, is found by 'weir check'.`,
		Example: `  weir schema > weir.schema.json
  # then, as the first line of weir.yaml:
  # yaml-language-server: $schema=weir.schema.json`,
		Args: Arguments(),
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(p.Schema)
			return err
		},
	}
}

func versionCommand(p Program) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Prints the version of weir and of the Go that built it.",
		Example: "  weir version",
		Args:    Arguments(),
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), p.Version)
			return err
		},
	}
}

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write the man pages",
		Long:  "Writes one man page for each command into a directory that exists.",
		Example: `  weir man /usr/local/share/man/man1
  man weir-check`,
		Args: Arguments("DIRECTORY"),
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, &doc.GenManHeader{Title: "WEIR", Section: "1", Source: "weir"}, args[0])
		},
	}
}
