package main

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-proxy/weir/control/config"
)

const watchedFile = "pools: { api: 10.0.0.1:80 }\nsites: { \"*\": api }\n"

func TestSavedFilesAreSeen(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(at(from), at(to)); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, at(name+".new")); err != nil {
			t.Fatal(err)
		}
		rename(name+".new", name)
	}
	// As Kubernetes mounts a ConfigMap: the file is a link through a directory that is a link.
	for _, d := range []string{"..v1", "..v2", "conf.d"} {
		if err := os.Mkdir(at(d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("..v1/mounted.yaml", "data: /one\n")
	write("..v2/mounted.yaml", "data: /two\n")
	link("..v1", "..data")
	link("..data/mounted.yaml", "mounted.yaml")
	write("weir.yaml", "include: [conf.d/*.yaml, mounted.yaml]\n"+watchedFile)

	steps := []struct {
		name string
		do   func()
		seen bool
	}{
		{"nothing", func() {}, false},
		{"written in place", func() { write("weir.yaml", "include: [conf.d/*.yaml, mounted.yaml]\n\n"+watchedFile) }, true},
		{"renamed over", func() {
			write("weir.yaml~", "include: [conf.d/*.yaml, mounted.yaml]\n\n\n"+watchedFile)
			rename("weir.yaml~", "weir.yaml")
		}, true},
		{"a file of another name beside it", func() { write(".weir.yaml.swp", "x") }, false},
		{"a file that a glob includes comes", func() { write("conf.d/new.yaml", "logs: { level: debug }\n") }, true},
		{"it is changed", func() { write("conf.d/new.yaml", "logs: { level: error }\n") }, true},
		{"it goes", func() { os.Remove(at("conf.d/new.yaml")) }, true},
		{"the link is swapped", func() { link("..v2", "..data") }, true},
		{"a broken file", func() { write("weir.yaml", "include: [conf.d/*.yaml, mounted.yaml]\nsites: [") }, true},
		{"is mended", func() { write("weir.yaml", "include: [conf.d/*.yaml, mounted.yaml]\n"+watchedFile) }, true},
		{"the file is away while it is replaced, and comes back as it was", func() { rename("weir.yaml", "x"); rename("x", "weir.yaml") }, false},
	}
	synctest.Test(t, func(t *testing.T) {
		w := &watched{}
		load := func() {
			if cfg, _ := config.Load(at("weir.yaml")); cfg != nil {
				w.note(cfg)
			}
		}
		load()
		ended := make(chan struct{})
		saved := w.saved(at("weir.yaml"), ended)
		for _, s := range steps {
			s.do()
			times := 0
			for quiet := time.After(10 * watchEvery); quiet != nil; {
				select {
				case <-saved:
					times++
					load()
				case <-quiet:
					quiet = nil
				}
			}
			if want := map[bool]int{true: 1}[s.seen]; times != want {
				t.Errorf("%s: seen %d times, want %d", s.name, times, want)
			}
		}
		close(ended)
	})
}
