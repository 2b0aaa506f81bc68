// Package files answers requests with files of a directory: what may be seen of it, how a file is found, and what HTTP says about one.
//
// Invariants: nothing outside the directory is opened, whatever links and ".." say (os.Root); names that begin with a dot are not there; only
// regular files are. Finding a file may wait for the disk, so it is done on a worker; everything else here waits for nothing.
//
// Called by traffic/exchange; built by control/snapshot.
package files
