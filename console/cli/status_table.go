package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
)

// writeStatus prints a status for people. Colour marks only what is not well.
func writeStatus(w io.Writer, st *api.Status, color bool) error {
	p := &page{out: w, color: color}
	p.head(st)
	if st.Complete {
		p.pools(st.Pools)
		p.listeners(st.Listeners)
		p.certificates(st.Certificates)
		p.reasons(st.Exchanges.Reasons)
		p.layer4(st)
	}
	return p.err
}

// page prints and remembers the first error.
type page struct {
	out   io.Writer
	color bool
	err   error
}

func (p *page) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format, args...)
	}
}

// table prints rows of cells in columns, after an empty line. Text that came from elsewhere is made harmless for a terminal.
func (p *page) table(rows [][]string) {
	p.printf("\n")
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = strings.Map(printable, row[i])
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	t.Flush()
	for line := range strings.Lines(b.String()) {
		p.printf("%s\n", p.marked(strings.TrimRight(line, " \n")))
	}
}

// marked colours what is not well. It is done after the columns have been laid out, whose widths count every byte.
func (p *page) marked(line string) string {
	if !p.color {
		return line
	}
	for _, word := range [...]string{" down", " ejected", " expired", " not resolved"} {
		line = strings.ReplaceAll(line, word, " \x1b[31m"+word[1:]+"\x1b[0m")
	}
	return line
}

func printable(c rune) rune {
	if c < ' ' || c >= 0x7f && c < 0xa0 {
		return '?'
	}
	return c
}

func (p *page) head(st *api.Status) {
	p.printf("%s, %s", cmp.Or(st.Version, "weir"), st.State)
	if !st.Started.IsZero() {
		p.printf(" for %s", span(time.Duration(st.UptimeSeconds*float64(time.Second))))
	}
	p.printf("\n")
	if st.Config.File != "" {
		p.printf("configuration: %s; taken %s, refused %s\n", st.Config.File, times(st.Config.Reloads), times(st.Config.Refused))
	}
	if st.Config.LastError != "" {
		p.printf("the last reload was refused: %s\n", st.Config.LastError)
	}
	for _, w := range st.Config.Warnings {
		p.printf("%s\n", strings.Map(printable, w))
	}
	if st.StuckLoops > 0 {
		p.printf("%s stuck: see weir's own log\n", counted(st.StuckLoops, "loop"))
	}
	p.leaving(st.Leaving)
	if !st.Complete {
		p.printf("the counters are not to be had at the moment\n")
		return
	}
	x := &st.Exchanges
	p.printf("%s, %d client connections, %d requests under way, %d in all: %d 2xx, %d 3xx, %d 4xx, %d 5xx; %d retries\n",
		counted(len(st.Loops), "loop"), x.Clients, x.Active, x.Requests, x.Status["2xx"], x.Status["3xx"], x.Status["4xx"], x.Status["5xx"], x.Retries)
}

// leaving prints what processes that another binary has replaced still have. The counts of what is open now include it.
func (p *page) leaving(list []api.Leaving) {
	for i := range list {
		l := &list[i]
		if l.Silent {
			p.printf("a process that was replaced (pid %d) does not say which connections it still has; they are not counted here\n", l.PID)
			continue
		}
		p.printf("process %d, which was replaced, still has %s of HTTP with %s under way, %s at layer 4 and %s of UDP; they are counted here\n", l.PID,
			counted(int(l.Clients), "connection"), counted(int(l.Active), "request"), counted(int(l.Tunnels), "connection"), counted(int(l.Flows), "flow"))
	}
}

func (p *page) pools(pools []api.Pool) {
	rows := [][]string{{"POOL", "BALANCE", "MULTIPLEXING", "PER CONNECTION", "REUSED"}}
	servers := [][]string{{"POOL", "SERVER", "ADDRESS", "STATE", "WEIGHT", "REQUESTS", "ACTIVE", "FAILED", "OPEN", "IDLE", "LATENCY"}}
	for i := range pools {
		pool := &pools[i]
		m := &pool.Multiplexing
		row := []string{pool.Name, pool.Policy, cmp.Or(m.Text, "-"), "-", "-"}
		if m.Servers > 0 {
			row[3], row[4] = fmt.Sprintf("%.1f requests", m.Requests), fmt.Sprintf("%.1f %%", m.Reuse)
		}
		rows = append(rows, row)
		for j := range pool.Servers {
			servers = append(servers, serverRow(pool, &pool.Servers[j]))
		}
		for _, name := range pool.Unresolved {
			servers = append(servers, []string{pool.Name, name, "-", "not resolved"})
		}
	}
	p.table(rows)
	p.table(servers)
}

func serverRow(pool *api.Pool, s *api.Server) []string {
	failed := uint64(0)
	for outcome, n := range s.Outcomes {
		if outcome != "ok" && outcome != "cancelled" {
			failed += n
		}
	}
	latency := "-"
	if s.LatencySeconds > 0 {
		latency = fmt.Sprintf("%.1f ms", s.LatencySeconds*1000)
	}
	address := strings.TrimSuffix(s.Address, ":0") // the port is the one that the client asked for
	return []string{pool.Name, s.Name, address, serverState(s), fmt.Sprint(s.Weight), requestsOf(pool, s), fmt.Sprint(s.InFlight),
		fmt.Sprint(failed), fmt.Sprint(s.Connections.Open), fmt.Sprint(s.Connections.Idle), latency}
}

// requestsOf is how many requests, or connections, the server has had, as far as this pool knows.
func requestsOf(pool *api.Pool, s *api.Server) string {
	switch {
	case s.Requests > 0:
	case pool.Mode == "direct": // the kernel sends packets on, and counts their bytes alone
		return "-"
	case s.CountedIn != "":
		return "in " + s.CountedIn
	}
	return fmt.Sprint(s.Requests)
}

// serverState is the verdict of the checks and what keeps work away besides.
func serverState(s *api.Server) string {
	words := []string{s.Health}
	if s.Health == "unknown" {
		words[0] = "not checked"
	}
	if s.EjectedUntil != nil {
		words = append(words, "ejected for "+span(max(time.Until(*s.EjectedUntil), time.Second)))
	}
	if s.State != api.Available {
		words = append(words, s.State)
	}
	if s.Override != nil {
		words = append(words, "by the operator")
	}
	return strings.Join(words, ", ")
}

func (p *page) listeners(listeners []api.Listener) {
	rows := [][]string{{"LISTENER", "ADDRESSES", "CONNECTIONS", "HANDSHAKES", "RESUMED", "FAILED"}}
	for _, l := range listeners {
		if l.Mode != "" { // the kernel does no handshakes
			rows = append(rows, []string{l.Name, strings.Join(l.Addresses, ", ") + " (" + l.Mode + ")", fmt.Sprint(l.Connections), "-", "-", "-"})
			continue
		}
		rows = append(rows, []string{l.Name, strings.Join(l.Addresses, ", "), fmt.Sprint(l.Connections), fmt.Sprint(l.Handshakes.OK),
			fmt.Sprint(l.Handshakes.Resumed), fmt.Sprint(l.Handshakes.Failed)})
	}
	if len(listeners) > 0 {
		p.table(rows)
	}
}

func (p *page) certificates(certificates []api.Certificate) {
	rows := [][]string{{"CERTIFICATE", "NAMES", "LISTENER", "EXPIRES"}}
	for _, c := range certificates {
		left := "in " + counted(c.DaysLeft, "day")
		if c.DaysLeft < 0 {
			left = "expired"
		}
		rows = append(rows, []string{c.File, strings.Join(c.Names, ", "), c.Listener, c.Expires.Format(time.DateOnly) + ", " + left})
	}
	if len(certificates) > 0 {
		p.table(rows)
	}
}

// reasons prints those of what did not go well, the most frequent first.
func (p *page) reasons(reasons map[string]uint64) {
	var names []string
	for name := range reasons {
		if !strings.HasPrefix(name, "none.") {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(reasons[b], reasons[a]), strings.Compare(a, b))
	})
	rows := [][]string{{"FAILED", "WHOSE DOING", "STAGE", "WHY"}}
	for _, name := range names {
		rows = append(rows, append([]string{fmt.Sprint(reasons[name])}, strings.SplitN(name, ".", 3)...))
	}
	if len(names) > 0 {
		p.table(rows)
	}
}

// span is a duration with the two units that matter.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return d.Round(time.Second).String()
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
