package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/console/cli"
	"github.com/weir-proxy/weir/control/admin"
	"github.com/weir-proxy/weir/control/explain"
	"github.com/weir-proxy/weir/control/lifecycle"
	"github.com/weir-proxy/weir/docs/reference"
)

func main() {
	admin.DeferHeapProfile()
	os.Exit(cli.Run(program(), os.Args[1:], os.Stdout, os.Stderr))
}

func program() cli.Program {
	return cli.Program{
		Version:  version(),
		Verify:   lifecycle.Check,
		LookUp:   lifecycle.CheckNames,
		RunTests: explain.RunTests,
		Schema:   reference.Schema,
		Commands: commands(),
	}
}

// commands are those beside the ones that the command line has of its own. A new command is a row here.
func commands() []*cobra.Command {
	return []*cobra.Command{runCommand(), proxyCommand(), demoCommand(), cli.ExplainCommand(explainOffline), doctorCommand(), kernelCommand(), trustCommand(), echCommand()}
}

// version is the module's, or the commit that was built.
func version() string {
	name := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		name = info.Main.Version
	}
	return fmt.Sprintf("weir %s (%s, %s/%s)", name, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
