package admin

import (
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"strings"
	"sync"
)

// heapRate is how many bytes are allocated between two samples of the heap, once there are any: the runtime's own default.
const heapRate = 512 << 10

var heapOnce sync.Once

// DeferHeapProfile has the heap sampled from when its profile is first asked for, and not from the start. What samples are kept in would grow for half an hour,
// page by page, to 1.6 MB that stay resident: a tenth of an idle weir. GODEBUG=memprofilerate=524288 has it sampled from the start. To be called first of all.
func DeferHeapProfile() {
	if !strings.Contains(os.Getenv("GODEBUG"), "memprofilerate=") {
		runtime.MemProfileRate = 0
	}
}

// heapProfile answers with what is sampled of the heap, and has it sampled from now on.
func heapProfile(w http.ResponseWriter, r *http.Request) {
	heapOnce.Do(func() {
		if runtime.MemProfileRate == 0 {
			runtime.MemProfileRate = heapRate
		}
	})
	pprof.Handler("heap").ServeHTTP(w, r)
}
