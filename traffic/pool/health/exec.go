package health

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// outputMax bounds what is kept of what a program says.
const outputMax = 4 << 10

// execute runs the program of the check; its exit status says whether the server is well. At the timeout it is killed with what it started.
func execute(ctx context.Context, p *probe) error {
	a := p.address()
	c := exec.CommandContext(ctx, p.Command[0], p.Command[1:]...)
	c.Env = append(os.Environ(), "WEIR_POOL="+p.pool, "WEIR_SERVER="+p.server.Name, "WEIR_ADDRESS="+a.String(), "WEIR_HOST="+p.host(),
		"WEIR_PORT="+strconv.Itoa(int(a.AddrPort.Port())))
	var said limited
	c.Stdout, c.Stderr = &said, &said
	inOwnGroup(c)
	c.WaitDelay = 100 * time.Millisecond
	err := c.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: no exit within %v", p.Command[0], p.Timeout)
	case said.Len() > 0:
		line, _, _ := bytes.Cut(said.Bytes(), []byte("\n"))
		return fmt.Errorf("%w: %s", err, line)
	}
	return err
}

// limited keeps the beginning of what is written.
type limited struct{ bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	l.Buffer.Write(b[:min(len(b), outputMax-l.Len())])
	return len(b), nil
}
