// Command confined gives powers away as its arguments say, and prints what it can do then. It is a program of its own because what is given away does not come back, and because it must be linked
// without C.
package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/weir-proxy/weir/control/confine"
)

func main() {
	switch os.Args[1] {
	case "drop":
		kept, err := confine.Drop(os.Args[2], false)
		fmt.Println("error:", err)
		fmt.Println("kept:", kept)
		groups, _ := syscall.Getgroups()
		fmt.Println("ids:", syscall.Getuid(), syscall.Geteuid(), syscall.Getgid(), groups)
		l, err := net.Listen("tcp", "127.0.0.1:81")
		if err == nil {
			l.Close()
		}
		fmt.Println("port 81:", err)
		_, err = os.ReadFile(os.Args[3])
		fmt.Println("root's file:", err != nil)
		fmt.Println("every thread:", threads())
	case "writes":
		fmt.Println("error:", confine.WritesTo([]string{os.Args[2], filepath.Join(os.Args[2], "nowhere")}))
		for _, directory := range os.Args[2:] {
			err := os.WriteFile(filepath.Join(directory, "new"), []byte("x"), 0o600)
			_, readErr := os.ReadDir(directory)
			fmt.Println("writes:", err == nil, "reads:", readErr == nil, "refuses:", confine.Refuses(directory), confine.Refuses(filepath.Join(directory, "not", "there")))
		}
		fmt.Println("null:", os.WriteFile("/dev/null", []byte("x"), 0))
	}
}

// threads are the user ids of all threads, each once.
func threads() string {
	seen := map[string]bool{}
	list, _ := filepath.Glob("/proc/self/task/*/status")
	for _, file := range list {
		text, _ := os.ReadFile(file)
		_, rest, _ := strings.Cut(string(text), "Uid:")
		ids, _, _ := strings.Cut(rest, "\n")
		seen[strings.Join(strings.Fields(ids), ",")] = true
	}
	return fmt.Sprint(seen)
}
