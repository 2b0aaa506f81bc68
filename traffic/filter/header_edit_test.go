package filter

import "testing"

func TestHeaderEdits(t *testing.T) {
	e := NewHeaderEdit()
	e.Remove("X-Debug")
	if err := e.Set("X-Host", "{host}"); err != nil {
		t.Fatal(err)
	}
	if err := e.Add("X-Tag", "new */*"); err != nil {
		t.Fatal(err)
	}
	e.SetLiteral("X-Secret", "{host}\r\nX: y")
	e.AddLiteral("X-Tag", "{x}")
	for name, want := range map[string]bool{"x-debug": true, "X-HOST": true, "X-Tag": false, "x-secret": true, "X-Hos": false, "": false} {
		if e.Drops([]byte(name)) != want {
			t.Errorf("%s is dropped: %v", name, !want)
		}
	}
	want := "X-Host: app.example.com\r\nX-Tag: new */*\r\nX-Secret: {host}X: y\r\nX-Tag: {x}\r\n"
	if got := string(e.Append(nil, facts())); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if e.Set("X", "{hots}") == nil || e.Add("X", "{hots}") == nil {
		t.Error("an unknown variable is taken")
	}
}
