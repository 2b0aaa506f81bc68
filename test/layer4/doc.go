// Package layer4 carries the connections and datagrams of real programs through a running weir: name servers, QUIC, TLS that is passed on, FTP, other
// proxies before and behind it, and thousands of tunnels at a time, through reloads and replacements of the binary.
//
// Called by make test.
package layer4
