// Package netfilter keeps weir's own table in nftables: what brings traffic to weir that is not addressed to it, and what keeps the replies to
// addresses that weir has borrowed.
//
// Invariants: weir touches one table, named after its process, and nothing else. The table belongs to a netlink socket of this process, so the
// kernel removes it when the process ends, however it ends. A change is one transaction: all of it, or nothing.
//
// Called by control/lifecycle and test/networks.
package netfilter
