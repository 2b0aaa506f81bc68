package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/console/cli"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/lifecycle"
)

func demoCommand() *cobra.Command {
	listen, admin := "127.0.0.1:8080", "127.0.0.1:9180"
	c := &cobra.Command{
		Use:   "demo",
		Short: "Two sample servers and a weir before them, with things to try",
		Long:  `Starts two small web servers and a weir that balances over them, all on this machine, and prints what to try. Needs no file.`,
		Example: `  weir demo
  weir demo --listen 127.0.0.1:8888`,
		Args: cli.Arguments(),
	}
	c.Flags().StringVar(&listen, "listen", listen, "address to listen on")
	c.Flags().StringVar(&admin, "admin", admin, "TCP address of metrics and health; off: no admin address and no socket")
	c.RunE = func(c *cobra.Command, _ []string) error {
		red, err := startSample("red")
		if err != nil {
			return err
		}
		blue, err := startSample("blue")
		if err != nil {
			return err
		}
		directory, err := os.MkdirTemp("", "weir-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(directory)
		socket := filepath.Join(directory, "admin.sock")
		text := fmt.Sprintf(demoConfig, listen, red, blue, demoAdmin(socket, admin))
		s := &server{drain: 5 * time.Second, stderr: c.ErrOrStderr(),
			load: func() (*config.Config, config.Problems) { return config.Parse("weir demo", []byte(text)) },
			ready: func(*lifecycle.Daemon) {
				fmt.Fprintf(c.OutOrStdout(), demoText, listen, red, blue, socket, admin, text)
			}}
		return s.run()
	}
	return c
}

const demoConfig = `listeners:
  http: { address: %q }
pools:
  colors: { servers: [%q, %q], health: /healthz, balance: round_robin }
sites:
  "*":
    /*: colors
    /only-get: { pool: colors, match: { methods: [GET] } }
    /old/*: { redirect: { to: "/new/*", status: 308 } }
    /hello: { respond: { body: "hello from weir itself\n" } }
admin: %s
logs: { access: off }
`

func demoAdmin(socket, address string) string {
	if address == "off" {
		return "off"
	}
	return fmt.Sprintf("{ socket: %q, address: %q }", socket, address)
}

const demoText = `
  weir listens on http://%[1]s and balances over two sample servers, red (%[2]s) and blue (%[3]s).

  Try, in another terminal:

    curl http://%[1]s/                      the answer says which server gave it: again, and it is the other
    curl -i http://%[1]s/old/page           a redirect
    curl -i http://%[1]s/hello              an answer of weir's own
    curl http://%[1]s/fail/red              the red server fails its health check: see where requests go,
    curl http://%[1]s/heal/red              and make it well again
    weir status --address %[4]s      pools, servers, how many connections share how few
    curl http://%[5]s/metrics               the same for Prometheus

  Ctrl-C ends it. The configuration it runs with:

%[6]s
`

// sick is shared by the samples, since a request to make one ill may reach the other.
var sick = map[string]*atomic.Bool{"red": {}, "blue": {}}

// startSample starts a sample server on a free port.
func startSample(color string) (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s: %s %s for %s\n", color, r.Method, r.URL, r.Header.Get("X-Forwarded-For"))
	})
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if sick[color].Load() {
			http.Error(w, "ill", http.StatusServiceUnavailable)
		}
	})
	for path, ill := range map[string]bool{"/fail/": true, "/heal/": false} {
		mux.HandleFunc(path+"{color}", func(w http.ResponseWriter, r *http.Request) {
			if s := sick[r.PathValue("color")]; s != nil {
				s.Store(ill)
				fmt.Fprintf(w, "%s: done; the health check notices within ten seconds\n", color)
			}
		})
	}
	go (&http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}).Serve(l)
	return l.Addr().String(), nil
}
