// Package rfc lists what the RFCs of HTTP/2, HTTP/3 and QPACK require, sentence by sentence, and which test shows that weir does it.
//
// Each file of testdata has a line for every sentence with MUST, REQUIRED or SHALL: its section, its beginning, and
//
//   - the tests that fail when weir does not do it, as folder.TestName, or
//   - "none:" and why it does not concern weir, or
//   - "open:" and what weir does instead.
//
// It is read by people who ask what weir conforms to, and called by go test.
package rfc
