package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/console/cli"
	"github.com/weir-proxy/weir/control/certs"
	"github.com/weir-proxy/weir/control/certs/ech"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/snapshot"
)

func echCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "ech [-c weir.yaml]",
		Short: "Print the DNS records by which clients hide the name they ask for",
		Long: `Encrypted Client Hello hides from eavesdroppers which of the sites a client asks for: they see the public name alone. Clients use it once they
find its key in a record of type HTTPS. This prints the lines for a zone file. Keys are made under data, a new one each week; those before it are
understood for four, and a client that has a key of before is told the new one in the handshake.`,
		Example: `  weir ech
  weir ech -c /etc/weir/weir.yaml`,
		Args: cli.Arguments(),
	}
	cli.AddConfigFlag(c, &path)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, problems := config.Load(path)
		if cfg == nil || len(problems.Errors()) > 0 {
			problems.Write(c.ErrOrStderr(), cli.UsesColor(os.Stderr))
			return cli.ErrNotSo
		}
		public := snapshot.PublicName(cfg)
		if public == "" {
			return errors.New("no site has a public name, or ech is off")
		}
		keys, err := ech.Open(certs.ECHDirectory(cfg.Data), public, time.Now())
		if err != nil {
			return err
		}
		for i := range cfg.Sites {
			if name := cfg.Sites[i].Name; config.IsPlainHost(name) && !certs.IsInternal(name) {
				fmt.Fprintln(c.OutOrStdout(), keys.Record(name, []string{"h3", "h2", "http/1.1"}))
			}
		}
		return nil
	}
	return c
}
