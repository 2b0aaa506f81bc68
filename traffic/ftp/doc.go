// Package ftp speaks FTP with clients and servers, so that data connections run through weir to the server that the control connection goes to.
//
// Invariants:
//   - A data connection is taken from the two machines of its control connection only, and opened to them only: neither can have weir connect elsewhere
//     (the bounce attack, RFC 2577 section 3).
//   - What the server says of addresses is not believed: its own is where it was reached.
//   - Replies come in the order of their commands. Nothing that was sent before TLS counts after it.
//   - A client that is to speak TLS says no name and no word before.
//
// Called by traffic/tunnel, as a Talker that control/snapshot has put there.
package ftp
