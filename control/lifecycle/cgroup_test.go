package lifecycle

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheMemoryLimitOfACgroupIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"none": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cgroup.controllers": "memory\n"}, 0},
		"version 2": {map[string]string{"proc/self/cgroup": "0::/system.slice/weir.service\n", "sys/fs/cgroup/system.slice/weir.service/memory.max": "268435456\n",
			"sys/fs/cgroup/system.slice/memory.max": "max\n"}, 256 << 20},
		"version 2, a limit above":  {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "1048576\n"}, 1 << 20},
		"version 2, in a container": {map[string]string{"proc/self/cgroup": "0::/../../docker/0123\n", "sys/fs/cgroup/memory.max": "268435456\n"}, 256 << 20},
		"version 1": {map[string]string{"proc/self/cgroup": "4:memory:/a\n1:cpu,cpuacct:/b\n0::/\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "268435456\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 256 << 20},
		"version 1, none":             {map[string]string{"proc/self/cgroup": "4:memory:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		"version 1, in a container":   {map[string]string{"proc/self/cgroup": "4:memory:/docker/0123\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n"}, 1 << 30},
		"version 1, with swap beside": {map[string]string{"proc/self/cgroup": "9:hugetlb,memory:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "536870912\n"}, 512 << 20},
		"no such file":                {nil, 0},
		"malformed":                   {map[string]string{"proc/self/cgroup": "x\n\n0:\n::\n0::/a\n", "sys/fs/cgroup/a/memory.max": "lots\n"}, 0},
	} {
		root := t.TempDir()
		for file, text := range c.files {
			at := filepath.Join(root, file)
			os.MkdirAll(filepath.Dir(at), 0o755)
			if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := cgroupMemory(root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
