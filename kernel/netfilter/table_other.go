//go:build !linux

package netfilter

import "errors"

// Table is weir's own.
type Table struct{}

// Open fails: there is no nftables here.
func Open() (*Table, error) { return nil, errors.New("nftables: only Linux has it") }

// Apply and Close are of a table that there cannot be.
func (t *Table) Apply(*Rules) error { return nil }
func (t *Table) Close() error       { return nil }
