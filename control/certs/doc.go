// Package certs keeps the certificates that clients are met with. A Store has those of files and directories and reads them again when they change;
// an Issuer has those that weir gets by itself, by ACME or from its own authority; a Chooser finds the one for a client among both.
//
// Invariants: a certificate that was read or issued once stays in use until a better one is there; what is broken changes nothing. Choosing takes a few
// atomic loads and no lock: what may block is done where the caller says.
//
// Called by control/snapshot (Open, NewIssuer, NewChooser), crypto/tls (Chooser.Get) and control/lifecycle (Refresh, Apply, Close).
package certs
