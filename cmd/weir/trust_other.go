//go:build !linux

package main

func systemStore() string { return "its own" }
