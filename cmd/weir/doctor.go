package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/console/cli"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/lifecycle"
	"github.com/weir-proxy/weir/kernel/doctor"
)

func doctorCommand() *cobra.Command {
	var path string
	var clients []string
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor [-c weir.yaml]",
		Short: "Find what of this machine and its network stands in the way",
		Long: `Looks at what the configuration needs of this machine and its network: privileges, descriptors, forwarding, rp_filter, conntrack, MTU, ports, shared
networks and, where servers see the client's address, whether their replies come back through weir. That is tried: a connection to each server is opened as
a client (192.0.2.1 and 2001:db8::1, or --client) and closed again. Where a weir runs with the file, what it has told the kernel is compared with what is there.
One line for each finding, and how to mend it.

Nothing is left changed. The exit status is 0 when weir could do its work, warnings or not, and 1 when something stands in its way.`,
		Example: `  weir doctor
  weir doctor -c /etc/weir/weir.yaml --client 10.1.2.3
  weir doctor --json | jq '.[] | select(.verdict != "ok")'`,
		Args: cli.Arguments(),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, problems, err := cli.LoadConfig(path, c.InOrStdin())
			if err != nil {
				return err
			}
			if cfg == nil {
				problems.Write(c.ErrOrStderr(), false)
				return cli.ErrNotSo
			}
			job, err := doctorJob(c.Context(), cfg, path, clients)
			if err != nil {
				return err
			}
			return report(c.OutOrStdout(), doctor.Examine(job), asJSON)
		},
	}
	cli.AddConfigFlag(c, &path)
	c.Flags().StringSliceVar(&clients, "client", []string{"192.0.2.1", "2001:db8::1"}, "`ADDRESS` of the client as which servers are tried, one of each family")
	c.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return c
}

// doctorJob is what the configuration needs.
func doctorJob(ctx context.Context, cfg *config.Config, path string, clients []string) (*doctor.Job, error) {
	j := &doctor.Job{Config: absolute(path), Mark: uint32(cfg.Network.Mark), Table: cfg.Network.Table}
	j.Tables, j.Routes = lifecycle.Expected(cfg, j.Config)
	for _, text := range clients {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("--client: %q is no IP address", text)
		}
		j.Client = append(j.Client, a)
	}
	for i := range cfg.Listeners {
		l := &cfg.Listeners[i]
		for _, a := range l.Address {
			j.LowPorts = j.LowPorts || a.Unix == "" && a.First < 1024
		}
		if l.Capture != nil {
			addresses := make([]netip.Addr, len(l.Address))
			for k := range l.Address {
				addresses[k] = l.Address[k].IP
			}
			j.Capture(l.Name, addresses, l.Capture.From, l.Capture.To)
			j.Devices = append(j.Devices, l.Capture.Interfaces...)
			j.TPROXY = j.TPROXY || l.Capture.Mode == "tproxy"
		}
	}
	for i := range cfg.Pools {
		j.Forwards = j.Forwards || cfg.Pools[i].IsForwarded()
		p := doctorPool(ctx, &cfg.Pools[i])
		for k := range cfg.Listeners {
			l := &cfg.Listeners[k]
			p.UDP = p.UDP || l.Protocol == "udp" && l.Pool == p.Name
			for _, a := range l.Address {
				if l.Pool != p.Name {
					continue
				}
				switch cfg.Pools[i].Mode {
				case "nat":
					j.Rewrites(&p, a.IP)
				case "direct":
					p.Listens = append(p.Listens, a.IP)
				}
			}
		}
		j.Pools = append(j.Pools, p)
	}
	return j, nil
}

func doctorPool(ctx context.Context, p *config.Pool) doctor.Pool {
	out := doctor.Pool{Name: p.Name, ByClient: p.FromClient() || p.Mode == "nat" && !p.SNAT, Most: p.Connections.Max}
	if p.Mode == "direct" {
		out.Direct = p.Interface
	}
	for _, text := range p.Source {
		if a, err := netip.ParseAddr(text); err == nil {
			out.Sources = append(out.Sources, a)
		}
	}
	for i := range p.Servers {
		a := p.Servers[i].Address
		if a.Unix != "" {
			continue
		}
		ips, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", a.Host) // a name that does not resolve is said by weir check
		for _, ip := range ips {
			out.Servers = append(out.Servers, netip.AddrPortFrom(ip.Unmap(), a.Port))
		}
	}
	return out
}

func report(w io.Writer, findings []doctor.Finding, asJSON bool) error {
	failed := false
	for _, f := range findings {
		failed = failed || f.Verdict == doctor.Fail
	}
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		if err := e.Encode(findings); err != nil {
			return err
		}
	} else {
		for _, f := range findings {
			fmt.Fprintf(w, "%-7s  %-13s  %s\n", f.Verdict, f.Check, f.Says)
			if f.Repair != "" {
				fmt.Fprintf(w, "%s%s\n", strings.Repeat(" ", 24), f.Repair)
			}
		}
	}
	if failed {
		return cli.ErrNotSo
	}
	return nil
}
