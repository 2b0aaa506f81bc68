package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/console/cli"
	"github.com/weir-proxy/weir/control/config"
)

// What `weir proxy --print` prints is a configuration that `weir check` takes, or it prints none.
func TestThePrintedConfigurationIsRight(t *testing.T) {
	for args, want := range map[string]int{
		"localhost:3000": 0,
		"--listen :80 http://10.0.0.1:8080 http://10.0.0.2:8080":     0,
		"--health /healthz --log stdout 10.0.0.1:8080 10.0.0.2:8080": 0,
		"--health healthz 10.0.0.1:8080":                             2,
		"--listen 80x 10.0.0.1:8080":                                 1,
		"ftp://10.0.0.1":                                             1,
		"":                                                           2,
	} {
		var out, errs bytes.Buffer
		status := cli.Run(program(), append([]string{"proxy", "--print"}, strings.Fields(args)...), &out, &errs)
		if status != want || (status == 0) != (errs.Len() == 0) || (status == 0) != (out.Len() > 0) {
			t.Errorf("%s: status %d\n%s%s", args, status, out.String(), errs.String())
		}
		if _, problems := config.Parse("printed", out.Bytes()); status == 0 && len(problems) > 0 {
			t.Errorf("%s: %v", args, problems)
		}
	}
}
