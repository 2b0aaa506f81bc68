// Package origins publishes three real origins, nginx, Apache httpd and a Node application, through one weir with a configuration of the shape
// that unified-communications publishing has, and drives it with curl, wrk and headless Chromium. It also starts the two commands that
// need no file.
//
// Invariants: nothing in it but tests and, in testdata, what the programs are configured with. Every client and every server is a program
// that people use.
//
// Called by go test.
package origins
