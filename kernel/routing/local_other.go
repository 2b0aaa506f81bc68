//go:build !linux

package routing

import "errors"

// Local is the way of marked packets to this machine.
type Local struct {
	Mark  uint32
	Table int
}

var errLinux = errors.New("routing: only Linux has it")

// Add fails: there is no way here.
func (l Local) Add() error { return errLinux }

// Remove has nothing to take back.
func (l Local) Remove() error { return nil }

// IsThere is never so here.
func (l Local) IsThere() bool { return false }

// Missing knows no commands here.
func (l Local) Missing() []string { return nil }
