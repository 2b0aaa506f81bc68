package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/control/config"
)

func checkCommand(p Program) *cobra.Command {
	var path string
	var asJSON, skipFiles bool
	c := &cobra.Command{
		Use:   "check [-c weir.yaml]",
		Short: "Validate the configuration and run its tests",
		Long: `Reads the configuration with all files it includes, prints every problem with its place and the nearest known word, and
runs the tests that stand in it. Nothing is sent but questions to DNS, and nothing is changed.

What 'weir run' would refuse on this machine is an error: a certificate that is missing or does not fit its key, a directory of the log that does
not exist, an address that the machine does not have. With --skip-files these are warnings, for a check on another machine than the one that will run it.

Servers' names that do not resolve now are warnings: they may resolve later. They are looked up for some seconds at most, and not at all with --skip-files.

The exit status is 0 when weir could run with it, warnings or not, and 1 when it could not or a test fails.`,
		Example: `  weir check
  weir check -c /etc/weir/weir.yaml
  weir check --skip-files                # on a laptop, or in CI
  weir check --json | jq '.problems[].path'
  weir check -c - < candidate.yaml`,
		Args: Arguments(),
		RunE: func(c *cobra.Command, _ []string) error {
			report, err := p.check(path, c.InOrStdin(), skipFiles)
			if err != nil {
				return err
			}
			if asJSON {
				err = report.writeJSON(c.OutOrStdout())
			} else {
				err = report.write(c.OutOrStdout())
			}
			if err == nil && !report.OK {
				err = ErrNotSo
			}
			return err
		},
	}
	AddConfigFlag(c, &path)
	c.Flags().BoolVar(&skipFiles, "skip-files", false, "only warn of files, directories and addresses that this machine does not have, and look up no names")
	c.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return c
}

// checkReport is the outcome of a check; its fields are those of the JSON.
type checkReport struct {
	OK       bool            `json:"ok"`
	Config   string          `json:"config"`
	Sites    int             `json:"sites"`
	Pools    int             `json:"pools"`
	Problems []reportProblem `json:"problems"`
	Tests    []reportTest    `json:"tests"`

	problems config.Problems
}

type reportProblem struct {
	File       string `json:"file"`
	Line       int    `json:"line"`
	Column     int    `json:"column"`
	Path       string `json:"path"`
	Message    string `json:"message"`
	Suggestion string `json:"suggestion,omitempty"`
	Warning    bool   `json:"warning"`
}

type reportTest struct {
	Name     string   `json:"name"`
	Place    string   `json:"place"`
	OK       bool     `json:"ok"`
	Failures []string `json:"failures"`
}

func (p Program) check(path string, stdin io.Reader, skipFiles bool) (*checkReport, error) {
	cfg, problems, err := loadConfig(path, stdin, config.Options{SkipFiles: skipFiles})
	if err != nil {
		return nil, err
	}
	if cfg != nil && p.Verify != nil {
		found := p.Verify(cfg)
		for i := range found {
			found[i].Warning = found[i].Warning || skipFiles
		}
		problems = append(problems, found...)
	}
	if cfg != nil && p.LookUp != nil && !skipFiles && len(problems.Errors()) == 0 {
		problems = append(problems, p.LookUp(cfg)...)
	}
	report := &checkReport{OK: len(problems.Errors()) == 0, Config: path, Problems: []reportProblem{}, Tests: []reportTest{}, problems: problems}
	for _, problem := range problems {
		report.Problems = append(report.Problems, reportProblem{
			problem.Pos.File, problem.Pos.Line, problem.Pos.Col, problem.Path, problem.Message, problem.Suggestion, problem.Warning})
	}
	if cfg == nil || !report.OK {
		return report, nil
	}
	report.Sites, report.Pools = len(cfg.Sites), len(cfg.Pools)
	return report, report.runTests(cfg, p.RunTests)
}

func (r *checkReport) runTests(cfg *config.Config, run func(*config.Config) []config.TestResult) error {
	if len(cfg.Tests) == 0 {
		return nil
	}
	if run == nil {
		return fmt.Errorf("this program cannot run the tests of a configuration")
	}
	for _, result := range run(cfg) {
		key := fmt.Sprintf("tests[%d]", result.Index)
		test := cfg.Tests[result.Index]
		ok := len(result.Failures) == 0
		r.OK = r.OK && ok
		r.Tests = append(r.Tests, reportTest{test.Title(), cfg.PosOf(key).String(), ok, result.Failures})
	}
	return nil
}

func (r *checkReport) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

func (r *checkReport) write(w io.Writer) error {
	if err := r.problems.Write(w, UsesColor(w)); err != nil {
		return err
	}
	passed := 0
	for _, test := range r.Tests {
		if test.OK {
			passed++
			continue
		}
		fmt.Fprintf(w, "%s: test failed: %s\n", test.Place, test.Name)
		for _, failure := range test.Failures {
			fmt.Fprintf(w, "      %s\n", failure)
		}
	}
	if len(r.problems.Errors()) > 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "%s: %s, %s", r.Config, counted(r.Sites, "site"), counted(r.Pools, "pool"))
	if len(r.Tests) > 0 && err == nil {
		_, err = fmt.Fprintf(w, ", %d of %d tests passed", passed, len(r.Tests))
	}
	fmt.Fprintln(w)
	return err
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
