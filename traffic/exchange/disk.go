package exchange

import (
	"time"

	"github.com/weir-proxy/weir/engine"
)

// Work on one directory: so much runs and waits, for so long. What hangs on a network file system that has gone away holds a thread. Directories do not share their bounds, so that one site's disk
// does not hold up another's.
const (
	diskRunning = 32
	diskWaiting = 256
	diskMost    = 10 * time.Second
)

// disk is the workers of a directory.
func (x *Exchange) disk(dir string) *engine.Workers {
	return x.at.loop.Workers(dir, diskRunning, diskWaiting)
}

// spillDisk is the workers of the directory for bodies that do not fit into memory.
func (x *Exchange) spillDisk() *engine.Workers { return x.disk(x.route.Buffer.Dir) }
