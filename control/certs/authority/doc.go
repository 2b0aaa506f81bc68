// Package authority is weir's own certificate authority, for names that no public one issues for: a root that people and systems are told to trust, an
// intermediate that the root has signed, and short-lived leaves.
//
// Invariants: the root is made once and kept; the intermediate and leaves are made anew well before they expire. Where nothing can be kept the authority
// works all the same, until the process ends.
//
// Called by control/certs, and by the command line, which has the root trusted.
package authority
