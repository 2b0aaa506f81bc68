// Package netfilter keeps weir's own tables in nftables: what brings traffic to weir that is not addressed to it, what keeps the replies to
// addresses that weir has borrowed, and what the kernel forwards by itself.
//
// Invariants: weir touches no table but its own. The table of captures is named after the process and belongs to a netlink socket of it, so the
// kernel removes it when the process ends, however it ends. So does that of what the kernel forwards, unless the pool is to outlive the
// process: then the next start with the same file takes the table over, and weir kernel remove removes it. A change is one transaction: all of it, or nothing.
//
// Called by control/lifecycle and test/networks.
package netfilter
