package main

import (
	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/console/cli"
	"github.com/weir-proxy/weir/control/config"
)

func runCommand() *cobra.Command {
	var path string
	s := &server{}
	c := &cobra.Command{
		Use:   "run [-c weir.yaml]",
		Short: "Run in the foreground",
		Long: `Serves what the configuration says until it is stopped.

SIGHUP, 'weir reload', or with --watch a saved file, reads the configuration again: what did not change is not touched, and a configuration
with an error changes nothing. SIGTERM and SIGINT stop: nothing new is accepted, idle connections are closed, what is under way ends, and
at the drain limit is cut; a second one does not wait.

SIGUSR2 starts the program anew, from the file that it was started from, and hands it the listening sockets and the idle connections once it
is ready. If it is not, this process goes on as if nothing had happened.

Started by root, --user has weir open its listeners first and then run as that user, who must be able to read the configuration and the keys
and to write the logs; of root's powers only that to open ports below 1024 is kept. --landlock has the kernel refuse every write but to the
directories of data, logs and Unix sockets that the configuration names at the start: a reload that names others is refused.

Small sends leave together by io_uring where the system has it; with WEIR_IO_URING=off in the environment each is a call of its own.`,
		Example: `  weir run
  weir run -c /etc/weir/weir.yaml
  weir run --watch                  # reload when the file is saved
  kill -HUP $(pidof weir)           # reload
  kill -USR2 $(pidof weir)          # the new binary takes over`,
		Args: cli.Arguments(),
		RunE: func(c *cobra.Command, _ []string) error {
			s.load = func() (*config.Config, config.Problems) { return config.Load(path) }
			s.file = path
			s.stderr = c.ErrOrStderr()
			return s.run()
		},
	}
	cli.AddConfigFlag(c, &path)
	c.Flags().IntVar(&s.loops, "loops", 0, "event loops; 0 is one per processor")
	c.Flags().DurationVar(&s.takeover, "takeover", takeoverDefault, "how long a new binary may take to be ready after SIGUSR2")
	c.Flags().StringVar(&s.pidFile, "pid-file", "", "file to write the process id into")
	c.Flags().StringVar(&s.user, "user", "", "user, or user:group, to run as once the listeners are open")
	c.Flags().BoolVar(&s.landlock, "landlock", false, "write only where the configuration says at the start: data, logs, Unix sockets")
	c.Flags().BoolVar(&s.watch, "watch", false, "reload when a file of the configuration is saved")
	c.Flags().DurationVar(&s.drain, "drain", 0, "how long requests under way may take after SIGTERM; 0: the longest timeouts.drain of the listeners")
	return c
}
