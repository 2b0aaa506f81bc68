package acme

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/libdns/libdns"
)

// command has a program of the operator's write records: COMMAND… present|cleanup NAME VALUE.
type command []string

func newCommand(d *DNS) (certmagic.DNSProvider, error) {
	if len(d.Command) == 0 {
		return nil, errors.New("exec needs a command")
	}
	return command(d.Command), nil
}

// AppendRecords calls it with present.
func (c command) AppendRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return records, c.run(ctx, "present", zone, records)
}

// DeleteRecords calls it with cleanup.
func (c command) DeleteRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return records, c.run(ctx, "cleanup", zone, records)
}

func (c command) run(ctx context.Context, what, zone string, records []libdns.Record) error {
	for _, r := range records {
		rr := r.RR()
		args := append(append([]string{}, c[1:]...), what, libdns.AbsoluteName(rr.Name, zone), rr.Data)
		if out, err := exec.CommandContext(ctx, c[0], args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s %s: %w: %s", c[0], what, err, strings.TrimSpace(string(out[:min(len(out), 300)])))
		}
	}
	return nil
}
