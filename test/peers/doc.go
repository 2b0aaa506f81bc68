// Package peers starts the real programs that weir is tested against: nginx, HAProxy, Apache httpd, Node, Caddy, and
// weir itself. A program runs in a process group of its own, in a directory of its own, on a port that was free a
// moment ago, and is stopped by its process id.
//
// A program that is not installed is an error that names the command which installs it; no test is skipped for it.
// The tests and benchmarks below test/ call it; nothing that weir ships does.
package peers
