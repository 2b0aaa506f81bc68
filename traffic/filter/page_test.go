package filter

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestPagesEscapeWhatTheySay(t *testing.T) {
	p := NewPage("<p>{status} {reason} {request_id} {host} {path}</p><style>p { color: red } {color}</style>",
		`{"status":{status},"path":"{path}"}`, "{status} {path}")
	f := &PageFacts{Status: 404, Reason: "Not Found", ID: "1f", Host: []byte("a.example"), Path: []byte("/<script>\"'`&\\\r\n\x7f\xff{status}")}
	for form, want := range map[PageForm]string{
		PageHTML: "<p>404 Not Found 1f a.example /&#60;script&#62;&#34;&#39;&#96;&#38;\\????{status}</p><style>p { color: red } {color}</style>",
		PageJSON: `{"status":404,"path":"/\u003cscript\u003e\u0022'` + "`" + `\u0026\u005c????{status}"}`, PagePlain: "404 /<script>\"'`&\\????{status}",
	} {
		if got := string(p.Append(nil, form, f)); got != want {
			t.Errorf("%s:\n%s, want\n%s", form.ContentType(), got, want)
		}
	}
	if !p.UsesID || NewPage("", "", "") != nil || NewPage("{status}", "", "").UsesID {
		t.Error("what the page uses is not known")
	}
}

func TestClientsGetTheFormTheyLike(t *testing.T) {
	all, some := NewPage("h", "j", "p"), NewPage("", "j", "p")
	for accept, want := range map[string][2]PageForm{
		"": {PageHTML, PageJSON}, "*/*": {PageHTML, PageJSON}, "application/json": {PageJSON, PageJSON}, "text/plain": {PagePlain, PagePlain},
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": {PageHTML, PageJSON},
		"application/json, text/plain, */*":                               {PageJSON, PageJSON},
		"text/html;q=0.5, text/plain;q=0.7":                               {PagePlain, PagePlain},
		"text/*;q=0.3, application/json;q=0.2":                            {PageHTML, PagePlain},
		"application/problem+json":                                        {PageJSON, PageJSON},
		"text/html;q=0, */*":                                              {PageJSON, PageJSON},
		"image/png":                                                       {PageHTML, PageJSON},
		"*/*;q=0.1, TEXT/PLAIN":                                           {PagePlain, PagePlain},
		"text/plain;q=x":                                                  {PagePlain, PagePlain},
		"text/plain ; Q=0.9 , application/json;v=1;q=0.95":                {PageJSON, PageJSON},
	} {
		for i, p := range []*Page{all, some} {
			if got := p.Choose([]byte(accept)); got != want[i] {
				t.Errorf("%q: %s, want %s", accept, got.ContentType(), want[i].ContentType())
			}
		}
	}
}

func FuzzPagesStayWhatTheyAre(f *testing.F) {
	f.Add([]byte("/<b>"), []byte("text/html;q=0.1,*/*"))
	f.Add([]byte(`/"\`), []byte(";;q=,,"))
	p := NewPage("<p>{path}</p>", `{"path":"{path}"}`, "{path}")
	f.Fuzz(func(t *testing.T, path, accept []byte) {
		facts := &PageFacts{Path: path, Host: path}
		if form := p.Choose(accept); form >= pageForms {
			t.Fatalf("form %d", form)
		}
		if html := p.Append(nil, PageHTML, facts); bytes.Count(html, []byte("<")) != 2 {
			t.Fatalf("%q", html)
		}
		var got struct{ Path string }
		if err := json.Unmarshal(p.Append(nil, PageJSON, facts), &got); err != nil || len(got.Path) != len(path) {
			t.Fatalf("%q, %v", got.Path, err)
		}
		if strings.ContainsAny(string(p.Append(nil, PagePlain, facts)), "\r\n\x00") {
			t.Fatal("control bytes")
		}
	})
}
