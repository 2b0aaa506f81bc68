package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFilesOfPagesAreFilesOfTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	page, file := filepath.Join(dir, "sorry.html"), filepath.Join(dir, "weir.yaml")
	for name, text := range map[string]string{page: "<p>sorry</p>\n", file: `
listeners: { http: ":80" }
defaults: { error_pages: { 4xx: lost, 5xx: { file: sorry.html } } }
sites:
  a.example.com:
    error_pages: { 404: { plain: gone }, 5xx: own }
    /*: { respond: 404, error_pages: { 503: { json: "{}" } } }
`} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, problems := Load(file)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if files := cfg.Files(); !slices.Contains(files, page) || len(files) != 2 {
		t.Errorf("a change of %v would be seen, and not one of the page", files)
	}
	var got []string
	for _, p := range cfg.Sites[0].Routes[0].ErrorPages {
		got = append(got, p.Statuses+"="+p.HTML.Value+p.JSON.Value+p.Plain.Value)
	}
	if want := []string{"503={}", "404=gone", "5xx=own", "4xx=lost"}; !slices.Equal(got, want) {
		t.Errorf("a route has the pages %q, want %q", got, want)
	}
	if cfg.Defaults.ErrorPages[1].HTML.Value != "<p>sorry</p>" {
		t.Errorf("the page is %q", cfg.Defaults.ErrorPages[1].HTML.Value)
	}
}
