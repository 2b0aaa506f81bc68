package ftp

import (
	"net/netip"
	"testing"
)

func TestCommands(t *testing.T) {
	for line, want := range map[string]Command{
		"USER anna\r": {"USER", "anna"}, "pasv": {"PASV", ""}, "RETR a file  with spaces\r": {"RETR", "a file  with spaces"}, "\xff\xf4\xff\xf2ABOR\r": {"ABOR", ""},
		"STOR ": {"STOR", ""},
	} {
		if c, ok := ParseCommand([]byte(line)); !ok || c != want {
			t.Errorf("%q: %+v %v", line, c, ok)
		}
	}
	for _, line := range []string{"", "a", "TOOLONG x", "US3R x", "USER a\rb", "USER a\x00b", " USER a", "\xff"} {
		if c, ok := ParseCommand([]byte(line)); ok {
			t.Errorf("%q: %+v", line, c)
		}
	}
}

func TestReplies(t *testing.T) {
	for _, c := range []struct {
		line   string
		within int
		want   Line
	}{
		{"220 ready\r", 0, Line{220, true, "ready"}}, {"220", 0, Line{220, true, ""}}, {"211-Features:\r", 0, Line{211, false, "Features:"}},
		{" MDTM\r", 211, Line{0, false, " MDTM"}}, {"211-more", 211, Line{0, false, "more"}}, {"211 End", 211, Line{211, true, "End"}},
		{"226 not the end", 211, Line{0, false, "226 not the end"}},
	} {
		if l, ok := ParseLine([]byte(c.line), c.within); !ok || l != c.want {
			t.Errorf("%q within %d: %+v %v", c.line, c.within, l, ok)
		}
	}
	for _, line := range []string{"", "22", "2200 x", "22x y", "099 x", "600 x", "hello", "220_x"} {
		if l, ok := ParseLine([]byte(line), 0); ok {
			t.Errorf("%q: %+v", line, l)
		}
	}
}

func TestAddresses(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("132.235.1.2:6275"), netip.MustParseAddrPort("[1080::8:800:200c:417a]:5282")
	if a, ok := ParsePort("132,235,1,2,24,131"); !ok || a != v4 {
		t.Errorf("PORT: %v", a)
	}
	for arg, want := range map[string]netip.AddrPort{"|1|132.235.1.2|6275|": v4, "|2|1080::8:800:200C:417A|5282|": v6, "!1!132.235.1.2!6275!": v4} {
		if a, ok := ParseExtendedPort(arg); !ok || a != want {
			t.Errorf("EPRT %s: %v %v", arg, a, ok)
		}
	}
	for _, text := range []string{"Entering Passive Mode (132,235,1,2,24,131).", "ok (132,235,1,2,24,131)", "Entering Passive Mode 132,235,1,2,24,131"} {
		if a, ok := ParsePassive(text); !ok || a != v4 {
			t.Errorf("227 %s: %v %v", text, a, ok)
		}
	}
	if port, ok := ParseExtendedPassive("Entering Extended Passive Mode (|||6446|)"); !ok || port != 6446 {
		t.Errorf("229: %d %v", port, ok)
	}
	for _, arg := range []string{"", "1,2,3,4,5", "1,2,3,4,5,256", "1,2,3,4,5,6,7", "1,2,3,4,5,-6", "a,2,3,4,5,6"} {
		if a, ok := ParsePort(arg); ok {
			t.Errorf("PORT %q: %v", arg, a)
		}
	}
	for _, arg := range []string{"", "|", "|1|::1|1|", "|2|1.2.3.4|1|", "|1|1.2.3.4|0|", "|1|1.2.3.4|65536|", "|3|1.2.3.4|1|", "|1|1.2.3.4|1", "|2|fe80::1%eth0|1|"} {
		if a, ok := ParseExtendedPort(arg); ok {
			t.Errorf("EPRT %q: %v", arg, a)
		}
	}
	for _, text := range []string{"", "()", "(|||0|)", "(||1|2|)", "(|||x|)", "(|||1)"} {
		if n, ok := ParseExtendedPassive(text); ok {
			t.Errorf("229 %q: %d", text, n)
		}
	}
	if got := string(AppendPort(nil, v4)); got != "132,235,1,2,24,131" {
		t.Error(got)
	}
	if got := string(AppendExtendedPort(nil, v6)); got != "|2|1080::8:800:200c:417a|5282|" {
		t.Error(got)
	}
}

func FuzzLines(f *testing.F) {
	for _, s := range []string{"USER a", "227 (1,2,3,4,5,6)", "229 x (|||1|)", "EPRT |1|1.2.3.4|5|", "PORT 1,2,3,4,5,6", "211-x"} {
		f.Add([]byte(s), 0)
	}
	f.Fuzz(func(t *testing.T, line []byte, within int) {
		if c, ok := ParseCommand(line); ok {
			again, ok := ParseCommand(c.Append(nil)[:len(c.Append(nil))-2])
			if !ok || again != c {
				t.Errorf("%+v became %+v", c, again)
			}
			if a, ok := ParsePort(c.Arg); ok {
				if b, ok := ParsePort(string(AppendPort(nil, a))); !ok || b != a {
					t.Errorf("%v became %v", a, b)
				}
			}
			if a, ok := ParseExtendedPort(c.Arg); ok {
				if b, ok := ParseExtendedPort(string(AppendExtendedPort(nil, a))); !ok || b != a {
					t.Errorf("%v became %v", a, b)
				}
			}
		}
		if l, ok := ParseLine(line, within); ok {
			ParsePassive(l.Text)
			ParseExtendedPassive(l.Text)
		}
	})
}
