package explain

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Write prints the answer for people.
func (a *Answer) Write(w io.Writer) error {
	var b strings.Builder
	target := a.Path
	if a.Query != "" {
		target += "?" + a.Query
	}
	scheme := ""
	if a.Scheme != "" {
		scheme = a.Scheme + "://"
	}
	fmt.Fprintf(&b, "%s from %s\n\n", strings.TrimSpace(a.Method+" "+scheme+a.Host+target), a.Client)
	a.writeWay(&b)
	a.writeEnd(&b)
	a.writeWhy(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// writeWay prints what was chosen, stage by stage.
func (a *Answer) writeWay(b *strings.Builder) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, s := range a.Why {
		if s.Taken {
			fmt.Fprintf(t, "%s\t%s\t%s\n", s.What, s.Name, a.whyTaken(&s))
		}
	}
	for _, s := range a.Filters {
		fmt.Fprintf(t, "%s\t%s\n", s.What, s.Why)
	}
	t.Flush()
}

func (a *Answer) whyTaken(s *Step) string {
	if s.What == "route" && a.Place != "" {
		return s.Why + "  (" + a.Place + ")"
	}
	return s.Why
}

// writeEnd prints who answers, and with what.
func (a *Answer) writeEnd(b *strings.Builder) {
	if l := a.Local; l != nil {
		l.write(b)
	}
	if p := a.Pool; p != nil {
		p.write(b)
	}
}

func (l *Local) write(b *strings.Builder) {
	if l.Status == 0 {
		fmt.Fprintf(b, "\nnobody answers: %s\n", l.Reason)
		return
	}
	fmt.Fprintf(b, "\nweir answers %d  (%s", l.Status, l.Reason)
	if l.Detail != "" {
		fmt.Fprintf(b, ": %s", l.Detail)
	}
	b.WriteString(")\n")
	if l.Location != "" {
		fmt.Fprintf(b, "  Location: %s\n", l.Location)
	}
	for _, f := range l.Fields {
		fmt.Fprintf(b, "  %s: %s\n", f.Name, f.Value)
	}
	if l.Body != "" {
		fmt.Fprintf(b, "\n  %s\n", strings.ReplaceAll(strings.TrimRight(l.Body, "\n"), "\n", "\n  "))
	}
}

func (p *Pool) write(b *strings.Builder) {
	over := ""
	if p.Secure {
		over = " over TLS"
	}
	if p.Mode != "" {
		fmt.Fprintf(b, "\nthe kernel chooses a server of pool %s %s: %s\n", p.Name, p.Balance, strings.Join(p.Servers, ", "))
		return
	}
	fmt.Fprintf(b, "\npool %s answers: %s among %s%s, at most %d attempts, each %s\n", p.Name, p.Balance, strings.Join(p.Servers, ", "), over,
		p.Attempts, p.Timeout)
	if p.isCarried {
		return
	}
	fmt.Fprintf(b, "  %s %s HTTP/1.1\n", p.Method, p.Target)
	for _, f := range p.Fields {
		fmt.Fprintf(b, "  %s: %s\n", f.Name, f.Value)
	}
}

// otherPathsMost is how many routes are shown whose path does not match.
const otherPathsMost = 8

// writeWhy prints what was not chosen, and why.
func (a *Answer) writeWhy(b *strings.Builder) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	began, others := false, 0
	for i, s := range a.Why {
		if s.Taken || i > 0 && s == a.Why[i-1] {
			continue
		}
		if s.isElsewhere {
			if others++; others > otherPathsMost {
				continue
			}
		}
		if !began {
			fmt.Fprintf(b, "\nnot taken\n")
			began = true
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", s.What, s.Name, s.Why)
	}
	t.Flush()
	if more := others - otherPathsMost; more > 0 {
		fmt.Fprintf(b, "  and %d more routes whose path does not match\n", more)
	}
}
