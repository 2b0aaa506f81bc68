package config

import "testing"

func TestScalarsAreWrittenAsTheyAreRead(t *testing.T) {
	type value interface {
		fromText
		String() string
	}
	for _, c := range []struct {
		value    value
		in, want string
	}{
		{new(Duration), "90s", "1m30s"}, {new(Duration), "60m", "1h"}, {new(Duration), "7d", "168h"}, {new(Duration), "500ms", "500ms"}, {new(Duration), "off", "off"},
		{new(Size), "65536", "64KiB"}, {new(Size), "2GiB", "2GiB"}, {new(Size), "1.5KiB", "1536B"}, {new(Size), "0", "off"}, {new(Size), "2147483648", "2GiB"},
		{new(Percent), "0.2", "20%"}, {new(Percent), "100%", "100%"}, {new(Count), "3", "3"}, {new(Count), "off", "0"},
		{new(Address), "443", ":443"}, {new(Address), "[::1]:80-90", "[::1]:80-90"}, {new(Address), "localhost:1", "127.0.0.1:1"}, {new(Address), "unix:/a", "unix:/a"},
		{new(ServerAddress), "HOST", "host"}, {new(ServerAddress), "http://[::1]:1", "[::1]:1"}, {new(ServerAddress), "unix:///a", "unix:/a"},
		{new(HashKey), "header:X-Y", "header:X-Y"}, {new(HashKey), "uri", "uri"}, {new(StatusRange), "2xx", "200-299"}, {new(StatusRange), "204", "204"},
		{new(Pattern), "~^a", "~^a"}, {new(Pattern), "*", "*"}, {new(Pattern), "a", "a"},
	} {
		if err := c.value.FromText(c.in); err != nil || c.value.String() != c.want {
			t.Errorf("%T %q: %q, %v; want %q", c.value, c.in, c.value.String(), err, c.want)
		}
	}
}

func TestNearestIsASlipOfTheHandAway(t *testing.T) {
	words := []string{"response", "request", "connect", "idle"}
	for in, want := range map[string]string{"respnse": "response", "idel": "idle", "conect": "connect", "x": "", "unrelated": ""} {
		if got := nearest(in, words); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
