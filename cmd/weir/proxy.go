package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/console/cli"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/lifecycle"
)

func proxyCommand() *cobra.Command {
	listen, admin, access := ":8080", "off", "off"
	health := ""
	c := &cobra.Command{
		Use:   "proxy [--listen :8080] URL…",
		Short: "Proxy to servers without a configuration file",
		Long: `Takes requests for any host and balances them over the servers, with all of weir's defaults.

'weir proxy --print' prints the configuration that does the same, to begin a weir.yaml with.`,
		Example: `  weir proxy localhost:3000
  weir proxy --listen :80 http://10.0.0.1:8080 http://10.0.0.2:8080
  weir proxy --health /healthz --log stdout 10.0.0.1:8080 10.0.0.2:8080
  weir proxy --print localhost:3000 > weir.yaml`,
		Args: func(c *cobra.Command, args []string) error {
			if health != "" && !strings.HasPrefix(health, "/") {
				return fmt.Errorf("--health %q: expected a path that starts with \"/\", such as /%s", health, health)
			}
			return cli.Arguments("URL…")(c, args)
		},
	}
	only := c.Flags().Bool("print", false, "print the configuration and stop")
	c.Flags().StringVar(&listen, "listen", listen, "address to listen on")
	c.Flags().StringVar(&admin, "admin", admin, "TCP address of metrics and health, or unix:/path for an admin socket alone")
	c.Flags().StringVar(&access, "log", access, "access log: off, stdout, stderr or a file")
	c.Flags().StringVar(&health, "health", health, "path of a health check")
	c.RunE = func(c *cobra.Command, urls []string) error {
		text := proxyConfig(listen, admin, access, health, urls)
		if *only {
			if _, problems := config.Parse("weir proxy", []byte(text)); len(problems.Errors()) > 0 {
				problems.Write(c.ErrOrStderr(), cli.UsesColor(c.ErrOrStderr()))
				return cli.ErrNotSo
			}
			_, err := fmt.Fprint(c.OutOrStdout(), text)
			return err
		}
		s := &server{drain: 30 * time.Second, stderr: c.ErrOrStderr(),
			load: func() (*config.Config, config.Problems) { return config.Parse("weir proxy", []byte(text)) },
			ready: func(*lifecycle.Daemon) {
				fmt.Fprintf(c.OutOrStdout(), "%s -> %s\n", listen, strings.Join(urls, ", "))
			}}
		return s.run()
	}
	return c
}

// proxyConfig writes the configuration; whatever the words hold, they stay values.
func proxyConfig(listen, admin, access, health string, urls []string) string {
	quoted := make([]string, len(urls))
	for i, u := range urls {
		quoted[i] = strconv.Quote(u)
	}
	pool := "servers: [" + strings.Join(quoted, ", ") + "]"
	if health != "" {
		pool += ", health: " + strconv.Quote(health)
	}
	return fmt.Sprintf(`listeners:
  http: { address: %q }
pools:
  servers: { %s }
sites:
  "*": servers
admin: %q
logs: { access: %q }
`, listen, pool, admin, access)
}
