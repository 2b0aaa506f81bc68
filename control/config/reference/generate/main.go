// Command generate writes the configuration's manual and JSON Schema into a directory. It is run by go generate in the
// directory above.
package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/weir-proxy/weir/control/config/reference"
)

func main() {
	if err := write(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func write(dir string) error {
	comments, err := reference.ReadComments("..")
	if err != nil {
		return err
	}
	schema, err := reference.Schema(comments)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "weir.schema.json"), schema, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.md"), reference.Manual(comments), 0o644)
}
