// Package textfile reads the files that the operator names: configurations, certificates, keys and secrets. It reads and replaces those that weir keeps. It is called by control/config,
// control/certs, control/snapshot, control/lifecycle and cmd/weir, also
// while weir serves: what is in the place of a file may be a pipe that nobody writes to, or something without an end, and its
// file system may not answer; none of that may stop a reload or the process.
package textfile
