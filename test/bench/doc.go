// Command bench asks how weir compares with nginx, HAProxy and Caddy, and answers with figures.
//
// Each question is one file and one row of the table in questions.go. All proxies stand before the same origin (an
// nginx of its own) on loopback, each with two workers, threads or loops, and are loaded in interleaved rounds whose
// order rotates. The figure that counts is the CPU time that a proxy's processes use per request, because on a small
// machine the load generator and the origin share the cores with the proxy. Ratios are taken within a round, then
// the median of the rounds.
//
//	go run ./test/bench                                   all questions, 5 rounds of 3 s
//	go run ./test/bench -seconds 1 -rounds 2              a quick look
//	go run ./test/bench -cases keep-alive,tls             some of them
//	go run ./test/bench -subjects nginx,haproxy           without weir
//	go run ./test/bench -write                            also rewrites docs/benchmarks.md
package main
