package api

import "errors"

// Reload is what came of reading the configuration again.
type Reload struct {
	OK       bool      `json:"ok"`
	Error    string    `json:"error,omitempty"` // why it was refused, in one line
	Problems []Problem `json:"problems"`
	Rendered string    `json:"rendered"`       // the problems as `weir check` prints them
	DryRun   bool      `json:"dry_run"`        // nothing was changed: the plan is what a reload would do
	Plan     *Plan     `json:"plan,omitempty"` // nil when the configuration was refused
}

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File       string `json:"file"`
	Line       int    `json:"line"`
	Column     int    `json:"column"`
	Path       string `json:"path"`
	Message    string `json:"message"`
	Suggestion string `json:"suggestion,omitempty"`
	Warning    bool   `json:"warning"`
}

// Error is the body of every answer that is not what was asked for.
type Error struct {
	Error string `json:"error"`
}

// State is the answer of /healthz and /readyz.
type State struct {
	State string `json:"state"`
}

// ErrHanding is why nothing can be changed for a moment: a new binary is taking over. Over HTTP it is a 503 with Retry-After; who asks again is answered by the new process.
var ErrHanding = errors.New("a new binary is taking over; nothing can be changed before it has")
