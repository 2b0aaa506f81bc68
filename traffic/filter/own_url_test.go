package filter

import "testing"

func TestTheSitesOwnURLsBecomeTheServers(t *testing.T) {
	public := &Public{IsSecure: true, Host: []byte("dav.example.com")}
	moved := &PathMap{Public: "/dav/", Server: "/files/"}
	for _, c := range []struct {
		url  string
		view ServerView
		m    *PathMap
		want string
	}{
		{"https://dav.example.com/dav/a%2Fb?x", ServerView{Authority: []byte("10.0.0.1:8080")}, moved, "http://10.0.0.1:8080/files/a%2Fb?x"},
		{"https://DAV.example.com:443/dav/a", ServerView{IsSecure: true, Authority: []byte("dav.example.com")}, nil, "https://dav.example.com/dav/a"},
		{"https://dav.example.com/dav/a", ServerView{Authority: []byte("dav.example.com")}, nil, "http://dav.example.com/dav/a"},
		{"https://dav.example.com", ServerView{Authority: []byte("in.test")}, moved, "http://in.test"},
		{"/dav/a", ServerView{Authority: []byte("in.test")}, moved, "/files/a"},
		{"/other/a", ServerView{Authority: []byte("in.test")}, moved, "/other/a"},
		{"https://other.example/dav/a", ServerView{Authority: []byte("in.test")}, moved, "https://other.example/dav/a"},
		{"https://dav.example.com:8443/dav/a", ServerView{Authority: []byte("in.test")}, moved, "https://dav.example.com:8443/dav/a"},
		{"http://dav.example.com/dav/a", ServerView{Authority: []byte("in.test")}, moved, "http://dav.example.com/dav/a"},
		{"https://dav.example.com\\@evil/", ServerView{Authority: []byte("in.test")}, moved, "https://dav.example.com\\@evil/"},
		{"null", ServerView{Authority: []byte("in.test")}, moved, "null"},
		{"", ServerView{Authority: []byte("in.test")}, moved, ""},
	} {
		if got := string(AppendOwnURL(nil, []byte(c.url), public, &c.view, c.m)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.url, got, c.want)
		}
	}
	v := &ServerView{Authority: []byte("in.test")}
	in := `<https://dav.example.com/dav/a> (<urn:uuid:1> ["<https://dav.example.com/dav/b>"]) <https://other.example/> (Not <DAV:no-lock>) <x`
	want := `<http://in.test/files/a> (<urn:uuid:1> ["<https://dav.example.com/dav/b>"]) <https://other.example/> (Not <DAV:no-lock>) <x`
	if got := string(AppendOwnURLs(nil, []byte(in), public, v, moved)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
