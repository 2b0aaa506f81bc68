package api

import (
	"fmt"
	"io"
	"strings"
)

// Plan is what a reload does, object by object. What is in no change of it is not touched.
type Plan struct {
	Changes []Change `json:"changes"`
	Kept    Kept     `json:"kept"`

	// What the operator has said of servers, by drain, disable and weight: it stays above the configuration, line by line.
	Operator []string `json:"operator"`
}

// Change is what becomes of one object of the configuration.
type Change struct {
	Does    string   `json:"does"`    // added, changed or removed
	Key     string   `json:"key"`     // such as `pools.api`
	Details []string `json:"details"` // what differs, and what becomes of connections
}

// What a Change does.
const (
	Added   = "added"
	Changed = "changed"
	Removed = "removed"
)

// Kept counts the objects that stay exactly as they are, with their connections and counters.
type Kept struct {
	Listeners int `json:"listeners"`
	Pools     int `json:"pools"`
	Sites     int `json:"sites"`
}

// IsEmpty reports whether nothing changes.
func (p *Plan) IsEmpty() bool { return len(p.Changes) == 0 }

// Write prints the plan for people.
func (p *Plan) Write(w io.Writer) error {
	signs := map[string]string{Added: "+", Changed: "~", Removed: "-"}
	var b strings.Builder
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "%s %s\n", signs[c.Does], c.Key)
		for _, d := range c.Details {
			fmt.Fprintf(&b, "    %s\n", d)
		}
	}
	for _, line := range p.Operator {
		fmt.Fprintf(&b, "! %s\n", line)
	}
	fmt.Fprintf(&b, "= kept: %s, %s, %s\n", counted(p.Kept.Listeners, "listener"), counted(p.Kept.Pools, "pool"), counted(p.Kept.Sites, "site"))
	_, err := io.WriteString(w, b.String())
	return err
}

func counted(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
