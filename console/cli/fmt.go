package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/control/config"
)

func fmtCommand() *cobra.Command {
	var path string
	var write, onlyCheck bool
	c := &cobra.Command{
		Use:   "fmt [-w] [-c weir.yaml]",
		Short: "Bring the configuration into its canonical form",
		Long: `Prints the file in its canonical form: two spaces for each level, one where spaces mean nothing, at most one blank line,
remarks behind values in a column. Comments and lines stay, and what the file says never changes.

Files that it includes are formatted on their own.`,
		Example: `  weir fmt                         # print it
  weir fmt -w                      # write it back
  weir fmt --check                 # exit status 1 when it is not in canonical form
  weir fmt -w -c conf.d/mail.yaml`,
		Args: Arguments(),
		RunE: func(c *cobra.Command, _ []string) error {
			before, err := readAll(path, c.InOrStdin())
			if err != nil {
				return err
			}
			after, problems := config.Format(path, before)
			if len(problems) > 0 {
				return failWith(problems, c.ErrOrStderr())
			}
			switch {
			case onlyCheck && !bytes.Equal(before, after):
				fmt.Fprintf(c.OutOrStdout(), "%s is not in canonical form; weir fmt -w brings it there\n", path)
				return ErrNotSo
			case onlyCheck:
				return nil
			case write && path != "-":
				return replaceFile(path, before, after)
			}
			_, err = c.OutOrStdout().Write(after)
			return err
		},
	}
	AddConfigFlag(c, &path)
	c.Flags().BoolVarP(&write, "write", "w", false, "write the file in place of printing it")
	c.Flags().BoolVar(&onlyCheck, "check", false, "only say whether it is in canonical form")
	return c
}

func failWith(problems config.Problems, w io.Writer) error {
	if err := problems.Write(w, UsesColor(w)); err != nil {
		return err
	}
	return ErrNotSo
}

func readAll(path string, stdin io.Reader) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(path)
}

// replaceFile writes a file whole or not at all, with its mode kept.
func replaceFile(path string, before, after []byte) error {
	if bytes.Equal(before, after) {
		return nil
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(target), ".weir-fmt-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(after)
	if err == nil {
		err = f.Chmod(info.Mode().Perm())
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), target)
}
