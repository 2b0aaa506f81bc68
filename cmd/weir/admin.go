package main

import (
	"log/slog"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/lifecycle"
)

type noAdmin struct{}

func (noAdmin) Close()                     {}
func (noAdmin) Apply(*config.Config) error { return nil }

func startAdmin(d *lifecycle.Daemon, log *slog.Logger) (noAdmin, error) { return noAdmin{}, nil }
