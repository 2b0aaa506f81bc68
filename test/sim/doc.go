// Package sim holds the balancing methods and the overload control of traffic/pool against published figures, in virtual time and with
// fixed seeds: the same numbers each time, without a machine's noise. `go test ./test/sim -v` prints the figures of docs/overload.md.
//
// Called by go test.
package sim
