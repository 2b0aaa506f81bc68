package exchange

import "testing"

func TestLinksWorthAHint(t *testing.T) {
	for in, want := range map[string]string{
		"Link: </a.css>; rel=preload; as=style":                                "Link: </a.css>; rel=preload; as=style\r\n",
		"link: </a>; rel=canonical, </b,c.js>;rel=\"x ModulePreload\"":         "Link: </b,c.js>;rel=\"x ModulePreload\"\r\n",
		"Link: <https://cdn.example>; rel=preconnect,<//d>; rel=preload":       "Link: <https://cdn.example>; rel=preconnect\r\nLink: <//d>; rel=preload\r\n",
		"Link: </a>; title=\"; rel=preload, </b>; rel=preload\"; rel=next":     "",
		"Link: </a>; rel=next; rel=preload":                                    "",
		"Link: </rel=preload>; rel=prefetch":                                   "",
		"Link: /a; rel=preload":                                                "",
		"X-Link: </a>; rel=preload":                                            "",
		"Link: ,, ,":                                                           "",
		"Link: <":                                                              "",
		"Link: </a>; title=\"say \\\"; rel=next\\\"\"; rel=preload\r\nB: </c>": "Link: </a>; title=\"say \\\"; rel=next\\\"\"; rel=preload\r\n",
	} {
		if got := string(appendHints(nil, []byte("HTTP/1.1 200 OK\r\nA: b\r\n"+in+"\r\n\r\n"))); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}
