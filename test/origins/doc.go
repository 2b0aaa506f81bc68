// Package origins publishes three real origins, nginx, Apache httpd and a Node application, through one weir with a configuration of the shape
// that unified-communications publishing has, and drives it with curl, wrk and headless Chromium. It also starts the two commands that
// need no file. Other tests publish applications that give a meaning to the bytes of a path, each through a weir of its own, and use them by
// the clients that people have: npm and a registry, the AWS SDK and objects with signed requests, RabbitMQ and its management command, and
// GitLab's client.
//
// Invariants: nothing in it but tests and, in testdata, what the programs are configured with. Every client and every server is a program
// that people use, but for two: objects are kept by a server of the test's own, as no server of S3 in the registries checks each signature
// and takes every key, and GitLab is stood in for by a server that remembers the targets it got.
//
// Called by go test.
package origins
