package config

// ProcessLimits is what the whole process may use.
type ProcessLimits struct {
	// Memory. A quarter of it is what all clients and servers together may have weir hold: past half of that, connections that hold much already get no further requests
	// taken, and past all of it nobody does, until there is room. Go's memory limit is set to 80 % of it, unless `GOMEMLIMIT` is set. `0` is the limit of the cgroup that weir
	// runs in, or none.
	Memory Size `yaml:"memory" default:"0" example:"512MiB"`
}
