package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/weir-proxy/weir/test/peers"
)

// machine describes what the figures were taken on: processor, cores, kernel, congestion control.
func machine() string {
	return fmt.Sprintf("%d × %s, %s, congestion control %s, %s",
		runtime.NumCPU(), field("/proc/cpuinfo", "model name"), strings.TrimSpace(first("/proc/sys/kernel/ostype")+" "+kernel()),
		first("/proc/sys/net/ipv4/tcp_congestion_control"), runtime.Version())
}

// kernel returns the kernel's version without what its builder appended.
func kernel() string {
	version, _, _ := strings.Cut(first("/proc/sys/kernel/osrelease"), "-")
	return version
}

// versions describes the peers and the load generator.
func versions() string {
	return strings.Join([]string{
		"nginx " + version("nginx", "-v"), "HAProxy " + version("haproxy", "-v") + oldVersions(), "Caddy " + caddyVersion(), "wrk " + version("wrk", "-v"),
	}, ", ")
}

// version runs a program that prints its version, and returns the first word with a digit in it.
func version(program, flag string) string {
	path, err := newest(program)
	if err != nil {
		return "(absent)"
	}
	return versionOf(path, flag)
}

// oldVersions describes the system's own nginx and HAProxy, where newer ones run beside them.
func oldVersions() (list string) {
	for _, program := range []string{"nginx", "haproxy"} {
		newer, err := peers.Newer(program)
		old, err2 := peers.Find(program)
		if err == nil && err2 == nil && newer != old {
			list += ", " + program + "-old " + versionOf(old, "-v")
		}
	}
	return list
}

func versionOf(path, flag string) string {
	out, _ := exec.Command(path, flag).CombinedOutput() // wrk -v exits with 1
	for word := range strings.FieldsSeq(string(out)) {
		if strings.ContainsAny(word, "0123456789") {
			return word[strings.LastIndexByte(word, '/')+1:]
		}
	}
	return "(unknown version)"
}

// caddyVersion reads the version that test/bench/caddy asks for.
func caddyVersion() string {
	root, err := peers.ModuleRoot()
	if err != nil {
		return ""
	}
	mod, _ := os.ReadFile(root + "/test/bench/caddy/go.mod")
	_, after, _ := strings.Cut(string(mod), "github.com/caddyserver/caddy/v2 ")
	version, _, _ := strings.Cut(after, "\n")
	return version
}

// first returns the first line of a file.
func first(file string) string {
	text, _ := os.ReadFile(file)
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// field returns the value of "name : value" in a file.
func field(file, name string) string {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
