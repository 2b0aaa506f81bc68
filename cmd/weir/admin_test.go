package main

import (
	"net/url"
	"testing"
)

func TestTheRunningWeirIsAskedWhatTheCommandLineAsks(t *testing.T) {
	for query, isRight := range map[string]bool{
		"url=http://a/&method=PUT&header=A:+b&client=192.0.2.9&to=192.0.2.7:80": true,
		"url=tcp://a:1":                  true,
		"url=http://a/&client=nobody":    false,
		"url=http://a/&to=192.0.2.7":     false,
		"url=http://a/&header=no+colon&": false,
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		ask, err := asked(q)
		if (err == nil) != isRight {
			t.Errorf("%s: %v", query, err)
		}
		if err == nil && q.Has("to") && (ask.To.String() != "192.0.2.7:80" || ask.Client.String() != "192.0.2.9" || ask.Method != "PUT" || len(ask.Fields) != 1) {
			t.Errorf("%s: asks %+v", query, ask)
		}
	}
}
