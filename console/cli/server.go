package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/admin/client"
)

// serverCommands change what the running weir does with a server.
func serverCommands() []*cobra.Command {
	return []*cobra.Command{drainCommand(), stateCommand("enable", api.AsConfigured, "Give a server its work back",
		"Takes back what drain, disable and weight have said of a server: it gets its share again as the configuration has it.\n"+
			"With --force it gets work although the configuration drains it.", "  weir enable 10.0.0.1:8080\n  weir enable 10.0.0.1:8080 --pool api"),
		stateCommand("disable", api.Disabled, "Take a server out at once",
			"Gives a server nothing new at all: clients that stay with it by persistence go to another one. What is under way goes on.\n"+
				"To let clients finish their sessions, use 'weir drain'.", "  weir disable 10.0.0.1:8080\n  weir disable 10.0.0.1:8080 --until-reload"),
		weightCommand()}
}

// meant is the server that a command names.
type meant struct {
	address string
	change  api.ServerChange
}

func (m *meant) flags(c *cobra.Command) {
	AddAddressFlag(c, &m.address)
	c.Flags().StringVar(&m.change.Pool, "pool", "", "only in this pool; all that have the server otherwise")
	completePools(c)
	c.Flags().BoolVar(&m.change.UntilReload, "until-reload", false, "only until the next reload; without it, until 'weir enable', across reloads and restarts")
}

func (m *meant) apply(c *cobra.Command, server string) (*api.ServerChanged, error) {
	m.change.Server = server
	changed, err := client.New(m.address).ChangeServer(c.Context(), m.change)
	if err == nil && changed.Warning != "" {
		fmt.Fprintln(c.ErrOrStderr(), "weir: warning: "+changed.Warning)
	}
	return changed, err
}

func stateCommand(name, state, short, long, example string) *cobra.Command {
	m := &meant{change: api.ServerChange{State: state}}
	force := false
	c := &cobra.Command{
		Use: name + " SERVER", Short: short, Long: long, Example: example, Args: Arguments("SERVER"),
		RunE: func(c *cobra.Command, args []string) error {
			if force {
				m.change.State = api.Available
			}
			changed, err := m.apply(c, args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %sd in %s\n", args[0], name, strings.Join(changed.Pools, ", "))
			return err
		},
	}
	m.flags(c)
	if state == api.AsConfigured {
		c.Flags().BoolVar(&force, "force", false, "although the configuration drains it")
	}
	return c
}

func weightCommand() *cobra.Command {
	m := &meant{}
	c := &cobra.Command{
		Use:   "weight SERVER N",
		Short: "Change a server's share",
		Long: `Changes a server's share beside the others of its pool, from 0 (none) to 1000. 'weir enable' gives it back what the
configuration says.`,
		Example: "  weir weight 10.0.0.1:8080 10\n  weir weight 10.0.0.1:8080 1 --pool api --until-reload",
		Args:    Arguments("SERVER", "N"),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[1])
			if err != nil {
				return fmt.Errorf("the weight: expected a number from 0 to 1000, not %q", args[1])
			}
			m.change.Weight = &n
			changed, err := m.apply(c, args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: weight %d in %s\n", args[0], n, strings.Join(changed.Pools, ", "))
			return err
		},
	}
	m.flags(c)
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if _, n, found := strings.Cut(err.Error(), " in -"); found && n != "" && strings.Trim(n, "0123456789") == "" {
			return fmt.Errorf("the weight: expected a number from 0 to 1000, not -%s", n)
		}
		return err
	})
	return c
}

func drainCommand() *cobra.Command {
	m := &meant{change: api.ServerChange{State: api.Drained}}
	var wait, disable bool
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "drain SERVER",
		Short: "Let a server finish: nothing new goes there",
		Long: `Gives a server nothing new, except from clients that stay with it by persistence. What is under way goes on.

With --wait the command stays until the server is empty: nothing is under way there, and the tables of persistence have no client on it.
It shows how much is left, and an estimate of how long. Clients that stay by a cookie cannot be counted; while they come, something is
under way. --timeout bounds the wait, and --disable sends at its end the clients that are left to other servers.

The exit status is 0 when the server is drained and, with --wait, empty, and 1 when it was not empty in time.`,
		Example: `  weir drain 10.0.0.1:8080
  weir drain 10.0.0.1:8080 --wait --timeout 10m && ssh 10.0.0.1 reboot
  weir drain 10.0.0.1:8080 --wait --timeout 1m --disable`,
		Args: Arguments("SERVER"),
		RunE: func(c *cobra.Command, args []string) error {
			changed, err := m.apply(c, args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: drained in %s\n", args[0], strings.Join(changed.Pools, ", "))
			if !wait {
				return nil
			}
			d := drain{meant: m, command: c, server: args[0], pools: changed.Pools, by: time.Now().Add(timeout)}
			empty, err := d.wait()
			if err != nil || empty {
				return err
			}
			if disable {
				m.change.State = api.Disabled
				if _, err := m.apply(c, args[0]); err != nil {
					return err
				}
				fmt.Fprintf(c.OutOrStdout(), "%s: disabled after %v\n", args[0], timeout)
			}
			return ErrNotSo
		},
	}
	m.flags(c)
	c.Flags().BoolVar(&wait, "wait", false, "stay until the server is empty")
	c.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "with --wait: the longest wait")
	c.Flags().BoolVar(&disable, "disable", false, "with --wait: at the end of the timeout, send the clients that are left elsewhere")
	return c
}

// drain watches a server become empty.
type drain struct {
	*meant
	command *cobra.Command
	server  string
	pools   []string
	by      time.Time
	first   left
	shown   string
}

// left is what there still is at a moment.
type left struct {
	at              time.Time
	inFlight        int
	queued          int
	clients         int
	clientsForgotIn time.Duration
	isPartial       bool // a process that was replaced does not say what it still has
}

func (l left) isEmpty() bool { return l.inFlight == 0 && l.clients == 0 && !l.isPartial }

// wait reports whether the server became empty in time.
func (d *drain) wait() (bool, error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		now, err := d.look()
		if err != nil {
			return false, err
		}
		if d.first.at.IsZero() || now.inFlight > d.first.inFlight {
			d.first = now
		}
		d.show(now)
		if now.isEmpty() {
			fmt.Fprintf(d.command.OutOrStdout(), "%s: empty\n", d.server)
			return true, nil
		}
		if time.Now().After(d.by) {
			return false, nil
		}
		select {
		case <-d.command.Context().Done():
			return false, d.command.Context().Err()
		case <-tick.C:
		}
	}
}

func (d *drain) look() (left, error) {
	st, err := client.New(d.address).Status(d.command.Context())
	if err != nil {
		return left{}, err
	}
	now := left{at: time.Now(), isPartial: !st.Complete || st.IsSilent()}
	for _, p := range st.Pools {
		if !slices.Contains(d.pools, p.Name) {
			continue
		}
		now.queued += p.Queue.Waiting
		for _, s := range p.Servers {
			if s.Name == d.server || s.Address == d.server {
				now.inFlight += int(s.InFlight)
				now.clients += s.Clients
				now.clientsForgotIn = max(now.clientsForgotIn, time.Duration(s.ClientsSeconds)*time.Second)
			}
		}
	}
	return now, nil
}

// show prints a line when what is left has changed.
func (d *drain) show(now left) {
	text := fmt.Sprintf("%s: %s under way", d.server, counted(now.inFlight, "request"))
	if now.clients > 0 {
		text += fmt.Sprintf(", %s stay here", counted(now.clients, "client"))
	}
	if now.queued > 0 {
		text += fmt.Sprintf(", %d in the queue", now.queued)
	}
	if now.isPartial {
		text += "; not every connection is known: weir, or a process that it has replaced, does not answer"
	}
	if text == d.shown || now.isEmpty() {
		return
	}
	d.shown = text
	if eta := d.estimate(now); eta > 0 {
		text += ", about " + span(eta) + " left"
	}
	fmt.Fprintln(d.command.OutOrStdout(), text)
}

// estimate takes requests to go on ending as fast as until now, and clients to be forgotten when their entries are. 0: no idea.
func (d *drain) estimate(now left) time.Duration {
	var eta time.Duration
	if gone := d.first.inFlight - now.inFlight; gone > 0 {
		eta = now.at.Sub(d.first.at) * time.Duration(now.inFlight) / time.Duration(gone)
	}
	return max(eta, now.clientsForgotIn)
}
