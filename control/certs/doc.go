// Package certs keeps the certificates that clients are met with: it reads them from files, chooses one by server name, and reads them again
// when the files change.
//
// Invariants: a certificate that was read once stays in use until a better one has been read; a broken file changes nothing. Choosing takes one atomic
// load and no lock.
//
// Called by control/snapshot (Open), crypto/tls (Get) and control/lifecycle (Refresh).
package certs
