package exchange

import "github.com/weir-proxy/weir/engine"

// disk is the workers of a directory. Directories do not share their bounds, so that one site's disk does not hold up another's.
func (x *Exchange) disk(dir string) *engine.Workers {
	return x.at.loop.Workers(engine.DiskWork, dir)
}

// spillDisk is the workers of the directory for bodies that do not fit into memory.
func (x *Exchange) spillDisk() *engine.Workers { return x.disk(x.request.route.Buffer.Dir) }
