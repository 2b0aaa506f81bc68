package acme

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logged is certmagic's logger on ours.
type logged struct {
	to     *slog.Logger
	fields []zapcore.Field
}

func newLogger(to *slog.Logger) *zap.Logger {
	if to == nil {
		return zap.NewNop()
	}
	return zap.New(&logged{to: to})
}

// levelOf takes certmagic's Info, which tells each step, for Debug.
func levelOf(l zapcore.Level) slog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return slog.LevelError
	case l >= zapcore.WarnLevel:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// Enabled reports whether anybody reads it.
func (l *logged) Enabled(level zapcore.Level) bool {
	return l.to.Enabled(context.Background(), levelOf(level))
}

// With returns a core that adds the fields.
func (l *logged) With(fields []zapcore.Field) zapcore.Core {
	return &logged{l.to, append(l.fields[:len(l.fields):len(l.fields)], fields...)}
}

// Check adds the core to those that write the entry.
func (l *logged) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if l.Enabled(e.Level) {
		return to.AddCore(e, l)
	}
	return to
}

// Write says the entry.
func (l *logged) Write(e zapcore.Entry, fields []zapcore.Field) error {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range append(l.fields[:len(l.fields):len(l.fields)], fields...) {
		f.AddTo(enc)
	}
	args := make([]any, 0, 2*len(enc.Fields))
	for name, value := range enc.Fields {
		args = append(args, name, value)
	}
	l.to.Log(context.Background(), levelOf(e.Level), "certificates: "+e.Message, args...)
	return nil
}

// Sync has nothing to do.
func (l *logged) Sync() error { return nil }
