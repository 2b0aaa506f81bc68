package sniff

import "testing"

func TestRequestsOfPostgresClients(t *testing.T) {
	tls := string(AppendPostgresTLS(nil))
	if tls != "\x00\x00\x00\x08\x04\xd2\x16\x2f" {
		t.Errorf("%x", tls)
	}
	for _, c := range []struct {
		bytes  string
		asks   Asking
		enough bool
	}{
		{tls, AsksTLS, true},
		{tls + "more", AsksTLS, true},
		{"\x00\x00\x00\x08\x04\xd2\x16\x30", AsksEncryption, true},
		{"", AsksNothing, false},
		{tls[:1], AsksNothing, false},
		{tls[:7], AsksNothing, false},
		{"\x16\x03\x01", AsksNothing, true},
		{"\x00\x00\x00\x10", AsksNothing, true},
		{"\x00\x00\x00\x08\x00\x03\x00\x00", AsksNothing, true},
	} {
		if asks, enough := Postgres([]byte(c.bytes)); asks != c.asks || enough != c.enough {
			t.Errorf("%x: %v %v", c.bytes, asks, enough)
		}
	}
}
