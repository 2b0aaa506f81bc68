package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/smallstep/truststore"
	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/console/cli"
	"github.com/weir-proxy/weir/control/certs"
	"github.com/weir-proxy/weir/control/certs/authority"
	"github.com/weir-proxy/weir/control/config"
)

func trustCommand() *cobra.Command {
	var path, data string
	var remove, only bool
	c := &cobra.Command{
		Use:   "trust [-c weir.yaml] [--remove]",
		Short: "Have this machine trust weir's own certificate authority",
		Long: `Names that no public authority issues for (localhost, *.local, addresses) get certificates of weir's own authority, whose root is kept below data.
This puts the root into the trust store of this machine, and into the databases of Firefox and Chromium where certutil is installed, or takes
it out again. The root is made if there is none yet. Asks for the password by sudo where that is needed.

For other machines: weir trust --print > weir-root.pem`,
		Example: `  weir trust
  weir trust --print
  weir trust --remove
  weir trust --data /var/lib/weir`,
		Args: cli.Arguments(),
	}
	cli.AddConfigFlag(c, &path)
	c.Flags().StringVar(&data, "data", "", "directory of data, in place of what the configuration says")
	c.Flags().BoolVar(&remove, "remove", false, "take the root out again")
	c.Flags().BoolVar(&only, "print", false, "print the root in PEM form and change nothing")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if data == "" {
			data = dataOf(path, c.ErrOrStderr())
		}
		dir := certs.AuthorityDirectory(data)
		if _, err := os.Stat(authority.RootFile(dir)); err != nil && (remove || only) {
			return fmt.Errorf("there is no root: %w", err)
		}
		a, err := authority.Open(dir, time.Now)
		if err != nil {
			return err
		}
		root, err := x509.ParseCertificate(a.Root())
		if err != nil {
			return err
		}
		if only {
			return pem.Encode(c.OutOrStdout(), &pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})
		}
		return changeTrust(c.OutOrStdout(), authority.RootFile(dir), root, remove)
	}
	return c
}

// dataOf is what the configuration says, or the default where there is none.
func dataOf(path string, problems io.Writer) string {
	if cfg, found := config.Load(path); cfg != nil {
		return cfg.Data
	} else if _, err := os.Stat(path); err == nil {
		found.Write(problems, false)
	}
	return config.DefaultData()
}

// changeTrust puts the root into the stores or takes it out, and says where.
func changeTrust(out io.Writer, file string, root *x509.Certificate, remove bool) error {
	fmt.Fprintf(out, "root:   %s (%s, until %s)\n", file, root.Subject.CommonName, root.NotAfter.Format(time.DateOnly))
	fmt.Fprintf(out, "system: %s\n", systemStore())
	change, done := truststore.Install, "trusted"
	if remove {
		change, done = truststore.Uninstall, "not trusted any more"
	}
	if err := change(root, truststore.WithPrefix("weir-")); err != nil {
		return err
	}
	fmt.Fprintf(out, "        %s\n", done)
	if _, err := truststore.NewNSSTrust(); err != nil {
		fmt.Fprintf(out, "Firefox, Chromium: left alone: %v\n", err)
		return nil
	}
	err := change(root, truststore.WithPrefix("weir-"), truststore.WithNoSystem(), truststore.WithFirefox())
	switch {
	case err != nil:
		fmt.Fprintf(out, "Firefox, Chromium: %v\n", err)
	default:
		fmt.Fprintf(out, "Firefox, Chromium: %s\n", done)
	}
	return nil
}
