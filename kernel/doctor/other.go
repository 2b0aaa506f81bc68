//go:build !linux

package doctor

func privileges(j *Job) []Finding {
	if !j.isTransparent() && len(j.Captures) == 0 {
		return nil
	}
	return []Finding{fail("run weir on Linux", "capture and clients' addresses for servers need Linux")}
}

func nothing(*Job) []Finding { return nil }

var (
	descriptors, forwarding, reversePath, conntrack = nothing, nothing, nothing, nothing
	kernel                                          = nothing
	mtu, ports, sharedSubnet, returnPath            = nothing, nothing, nothing, nothing
	directReturn, keptTables, runningWeir           = nothing, nothing, nothing
)
