package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Arguments checks that a command gets an argument for each of the names; the last may be repeated where its name ends in "…". Without names it
// takes none.
func Arguments(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		repeats := len(names) > 0 && strings.HasSuffix(names[len(names)-1], "…")
		switch {
		case len(args) < len(names):
			missing := strings.Join(names[len(args):], " and ")
			verb := "is"
			if len(names)-len(args) > 1 {
				verb = "are"
			}
			return fmt.Errorf("%s %s missing; usage: %s", strings.ReplaceAll(missing, "…", ""), verb, c.UseLine())
		case len(args) > len(names) && !repeats:
			return fmt.Errorf("unexpected argument %q; usage: %s", args[len(names)], c.UseLine())
		}
		return nil
	}
}

// noSuchCommand reports an unknown command, with those that are spelt like it.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("unknown command %q", strings.TrimPrefix(c.CommandPath()+" "+args[0], c.Root().Name()+" "))
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("%s; did you mean \"%s\"?", text, strings.Join(near, `" or "`))
	}
	if c.HasParent() {
		return fmt.Errorf("%s; there are %s", text, strings.Join(available(c), ", "))
	}
	return errors.New(text)
}

// available are the names of a command's commands.
func available(c *cobra.Command) (names []string) {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return names
}

// refuseUnknown has every command that only groups others refuse a word that is none of them; cobra would print the help, and exit with 0.
func refuseUnknown(c *cobra.Command) {
	for _, sub := range c.Commands() {
		refuseUnknown(sub)
	}
	if c.HasSubCommands() && !c.Runnable() {
		c.Args = noSuchCommand
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		c.SuggestionsMinimumDistance = 2
	}
}

// helpCommand is `weir help`. Cobra's own one exits with 0 for a command that there is not.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		Long:  "Prints the help of a command, as 'weir COMMAND --help' does.",
		Example: `  weir help
  weir help certs revoke`,
		Args: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			if err != nil || len(rest) == 0 {
				return err
			}
			return noSuchCommand(found, rest)
		},
		RunE: func(c *cobra.Command, args []string) error {
			found, _, err := c.Root().Find(args)
			if err != nil {
				return err
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			found, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return available(found), cobra.ShellCompDirectiveNoFileComp
		},
	}
}
