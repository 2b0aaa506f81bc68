package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/control/config"
)

// Question is what `weir explain` asks.
type Question struct {
	Method string
	URL    string
	Fields []string // "Name: value"
	Client netip.Addr
	To     netip.AddrPort // where the client wanted to go; invalid: where the URL leads
}

// Explanation is an answer that prints itself for people, and is JSON besides.
type Explanation interface{ Write(io.Writer) error }

// Explain answers a question by a configuration. An error is a question that cannot be asked.
type Explain func(*config.Config, Question) (Explanation, config.Problems, error)

// ExplainCommand is `weir explain`.
func ExplainCommand(explain Explain) *cobra.Command {
	var path, client, to string
	var asJSON bool
	q := Question{}
	c := &cobra.Command{
		Use:   "explain [METHOD] URL",
		Short: "Say what becomes of a request, and why",
		Long: `Says which listener, site and route take a request, what the route does with it, and which pool or answer it ends at, with
what the server would get; then what else was looked at and why it was not taken. Nothing is sent.

A URL with tcp, tls, udp or ftp asks for a connection or datagram of a layer 4 listener; of tls the host is the server name, and the path the
protocol, that the client asks for.

The listener is the one with the URL's port and scheme. Of several that have one port, the one whose address is in the URL, or in --to, takes the
request; where the URL has a name and there is no --to, the first in the file does, and the answer names the others. Where no listener has the port, or
the URL has neither scheme nor port, the first listener that serves sites takes it. The client is 192.0.2.1 unless it is said.`,
		Example: `  weir explain https://app.example.com/api/users
  weir explain POST https://app.example.com/login -H 'Content-Type: application/json'
  weir explain app.example.com/admin --client 10.1.2.3
  weir explain http://example.com:8080/ --to 127.0.0.2:8080
  weir explain tcp://db.example.com:3306
  weir explain tls://a.example.com:8443/h2
  weir explain --json https://app.example.com/ | jq -r .pool.name`,
		Args: func(c *cobra.Command, args []string) error {
			names := []string{"METHOD", "URL"}
			if len(args) < 2 {
				names = names[1:]
			}
			if err := Arguments(names...)(c, args); err != nil {
				return err
			}
			return q.take(args, client, to)
		},
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, problems, err := LoadConfig(path, c.InOrStdin())
			if err != nil {
				return err
			}
			if cfg == nil || len(problems.Errors()) > 0 {
				return failWith(problems, c.ErrOrStderr())
			}
			answer, problems, err := explain(cfg, q)
			if err != nil {
				return err
			}
			if len(problems.Errors()) > 0 {
				return failWith(problems, c.ErrOrStderr())
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), answer)
			}
			return answer.Write(c.OutOrStdout())
		},
	}
	AddConfigFlag(c, &path)
	c.Flags().StringArrayVarP(&q.Fields, "header", "H", nil, "header field of the request, `'Name: value'`; may be repeated")
	c.Flags().StringVar(&client, "client", "192.0.2.1", "`IP` address from which it comes")
	c.Flags().StringVar(&to, "to", "", "`IP:PORT` that the client wanted to reach: chooses the listener, and is for match.destinations and ports")
	c.Flags().BoolVar(&asJSON, "json", false, "print the answer as JSON")
	return c
}

// explainedSchemes are the schemes of URLs that can be explained: of requests, and of what layer 4 listeners take.
var explainedSchemes = []string{"http", "https", "tcp", "tls", "udp", "ftp"}

// take checks what was asked on the command line: what is wrong here is wrong usage.
func (q *Question) take(args []string, client, to string) (err error) {
	q.Method, q.URL = "GET", args[len(args)-1]
	if len(args) == 2 {
		q.Method = args[0]
	}
	scheme, rest, found := strings.Cut(q.URL, "://")
	if rest == "" && found || strings.ContainsAny(q.URL, " \r\n") || strings.HasPrefix(q.URL, "/") || q.URL == "" {
		return fmt.Errorf("%q is not a URL; write it like https://app.example.com/path", q.URL)
	}
	if found && !slices.Contains(explainedSchemes, strings.ToLower(scheme)) {
		return fmt.Errorf("%q: expected a URL with one of the schemes %s", q.URL, strings.Join(explainedSchemes, ", "))
	}
	if q.Client, err = netip.ParseAddr(client); err != nil {
		return fmt.Errorf("--client %q is no IP address", client)
	}
	if to != "" {
		if q.To, err = netip.ParseAddrPort(to); err != nil {
			return fmt.Errorf("--to %q is no address with a port; write it like 192.0.2.7:80", to)
		}
	}
	for _, f := range q.Fields {
		if name, _, found := strings.Cut(f, ":"); !found || name == "" || strings.ContainsAny(f, "\r\n") {
			return fmt.Errorf("-H %q is no header field; write it like 'X-Name: value'", f)
		}
	}
	return nil
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
