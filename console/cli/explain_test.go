package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/weir-proxy/weir/control/config"
)

type echo struct {
	Asked string `json:"asked"`
}

func (e echo) Write(w io.Writer) error {
	_, err := fmt.Fprintln(w, e.Asked)
	return err
}

// explaining is a program whose explain says what it was asked.
func explaining() Program {
	return Program{Commands: []*cobra.Command{ExplainCommand(func(cfg *config.Config, q Question) (Explanation, config.Problems, error) {
		switch q.URL {
		case "http://unaskable":
			return nil, nil, errors.New("cannot be asked")
		case "http://unbuildable":
			return nil, config.Problems{cfg.ProblemAt("sites", "cannot be built")}, nil
		}
		return echo{fmt.Sprintf("%s %s %s from %v at %d sites", q.Method, q.URL, strings.Join(q.Fields, "|"), q.Client, len(cfg.Sites))}, nil, nil
	})}}
}

func TestExplainHandsTheQuestionOn(t *testing.T) {
	for _, c := range []struct{ args, status, out string }{
		{"https://a/x", "0", "GET https://a/x  from 192.0.2.1 at 1 sites\n"},
		{"PUT a/x -H A:b -H C:d --client ::1", "0", "PUT a/x A:b|C:d from ::1 at 1 sites\n"},
		{"--json a", "0", "{\n  \"asked\": \"GET a  from 192.0.2.1 at 1 sites\"\n}\n"},
		{"http://unaskable", "1", ""},
		{"http://unbuildable", "1", ""},
		{"", "2", ""},
		{"GET a b", "2", ""},
		{"tcp://a:1", "0", "GET tcp://a:1  from 192.0.2.1 at 1 sites\n"},
		{"TLS://a:1/h2", "0", "GET TLS://a:1/h2  from 192.0.2.1 at 1 sites\n"},
		{"udp://a:1", "0", "GET udp://a:1  from 192.0.2.1 at 1 sites\n"},
		{"ftp://a:21", "0", "GET ftp://a:21  from 192.0.2.1 at 1 sites\n"},
		{"gopher://a", "2", ""},
		{"https://", "2", ""},
		{"/path", "2", ""},
		{"a --client nobody", "2", ""},
		{"a -H nothing", "2", ""},
		{"a -H :x", "2", ""},
	} {
		args := append([]string{"explain", "-c", "FILE"}, strings.Fields(c.args)...)
		status, out, errs := run(t, explaining(), good, args...)
		if fmt.Sprint(status) != c.status || out != c.out || (status == 0) != (errs == "") {
			t.Errorf("%s: status %d\n%s%s", c.args, status, out, errs)
		}
	}
}

func TestExplainRefusesAWrongFile(t *testing.T) {
	status, out, errs := run(t, explaining(), "sties: {}", "explain", "-c", "FILE", "http://a")
	if status != 1 || out != "" || !strings.Contains(errs, `did you mean "sites"?`) {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

func TestExplainSaysWhatIsMissing(t *testing.T) {
	for args, want := range map[string]string{
		"explain":            "URL is missing; usage: weir explain [METHOD] URL",
		"explain GET a b":    `unexpected argument "b"`,
		"explain gopher://a": "expected a URL with one of the schemes http, https, tcp, tls, udp, ftp",
	} {
		if status, _, errs := run(t, explaining(), good, strings.Fields(args)...); status != 2 || !strings.Contains(errs, want) {
			t.Errorf("weir %s: status %d: %s", args, status, errs)
		}
	}
}
