package lifecycle

import (
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroupMemory is the least memory limit of the process's cgroup and those above it; 0: there is none. Both versions are read: in version 1 the memory controller has a
// hierarchy of its own below memory/, in version 2 all controllers share one. root is / but in tests.
func cgroupMemory(root string) int64 {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0
	}
	least := int64(0)
	for line := range strings.Lines(string(text)) {
		// "hierarchy-ID:controller-list:cgroup-path" (cgroups(7)); version 2 has the ID 0 and no list.
		id, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, at, found := strings.Cut(rest, ":")
		switch {
		case !found:
		case id == "0" && controllers == "":
			least = lesser(least, limitsAbove(filepath.Join(root, "sys/fs/cgroup"), at, "memory.max"))
		case hasController(controllers, "memory"):
			least = lesser(least, limitsAbove(filepath.Join(root, "sys/fs/cgroup/memory"), at, "memory.limit_in_bytes"))
		}
	}
	return least
}

func hasController(list, name string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one == name {
			return true
		}
	}
	return false
}

// limitsAbove is the least limit of a cgroup and those above it. In a container the path may be one of the host's, of which only the end can be seen here.
func limitsAbove(mount, at, file string) int64 {
	least := int64(0)
	for at = path.Clean("/" + at); ; at = path.Dir(at) {
		if text, err := os.ReadFile(filepath.Join(mount, at, file)); err == nil {
			// Version 2 says "max", version 1 nearly 2^63, where there is no limit.
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 && n < 1<<50 {
				least = lesser(least, n)
			}
		}
		if at == "/" {
			return least
		}
	}
}

// lesser is the lesser of two limits, of which 0 is none.
func lesser(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
