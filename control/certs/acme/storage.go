package acme

import (
	"context"

	"github.com/caddyserver/certmagic"

	"github.com/weir-proxy/weir/control/textfile"
)

// storage is certmagic's of files, which reads regular files only: a pipe in the place of one would be waited for without end.
type storage struct{ *certmagic.FileStorage }

func (s storage) Load(_ context.Context, key string) ([]byte, error) {
	return textfile.Read(s.Filename(key))
}
