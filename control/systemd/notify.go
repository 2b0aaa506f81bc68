package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Notify tells the manager the assignments given, such as "READY=1".
func Notify(assignments ...string) error {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	defer c.Close()
	_, err = c.Write([]byte(strings.Join(assignments, "\n")))
	return err
}

// Ready says that weir serves.
func Ready(status string) error { return Notify("READY=1", "STATUS="+status) }

// Reloading says that the configuration is read; Ready ends it.
func Reloading() error {
	// "A combination of RELOADING=1 and MONOTONIC_USEC= is required" of a service of type notify-reload.
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return err
	}
	return Notify("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
}

// Stopping says that weir ends.
func Stopping(status string) error { return Notify("STOPPING=1", "STATUS="+status) }

// Replaced says which process is the service from now on.
func Replaced(pid int) error { return Notify(fmt.Sprintf("MAINPID=%d", pid)) }

// Watchdog is how often the manager wants to hear Alive, 0 for never. tookOver says that this process took over from the one that the
// environment was made for.
func Watchdog(tookOver bool) time.Duration {
	micros, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || micros <= 0 {
		return 0
	}
	if pid := os.Getenv("WATCHDOG_PID"); !tookOver && pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	return time.Duration(micros) * time.Microsecond
}

// Alive is what the watchdog waits for.
func Alive() error { return Notify("WATCHDOG=1") }
