package cli

import (
	"io"
	"os"

	"github.com/weir-proxy/weir/control/config"
)

// LoadConfig reads the file that `-c` names.
func LoadConfig(path string, stdin io.Reader) (*config.Config, config.Problems, error) {
	return loadConfig(path, stdin, config.Options{})
}

func loadConfig(path string, stdin io.Reader, options config.Options) (*config.Config, config.Problems, error) {
	if path != "-" {
		cfg, problems := options.Load(path)
		return cfg, problems, nil
	}
	data, err := io.ReadAll(stdin)
	if err != nil {
		return nil, nil, err
	}
	cfg, problems := options.Parse("-", data)
	return cfg, problems, nil
}

// UsesColor reports whether w is a terminal whose user has not asked for plain text.
func UsesColor(w io.Writer) bool {
	f, isFile := w.(*os.File)
	if !isFile || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
