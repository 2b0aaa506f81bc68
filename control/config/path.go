package config

import (
	"strconv"
	"strings"
)

// SitePath is the path of a site.
func SitePath(pattern string) string { return joinPath("sites", pattern) }

// PoolPath is the path of a pool.
func PoolPath(name string) string { return joinPath("pools", name) }

// joinPath adds a key to a path, in quotes where it is not a plain word: `sites."lyncweb.*"`.
func joinPath(path, key string) string {
	if key == "" || strings.Trim(key, hostNameBytes) != "" {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// indexPath adds the place in a list to a path: `servers[1]`.
func indexPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// parentPath takes the last key or index off a path.
func parentPath(path string) string {
	inQuotes := false
	for i := len(path) - 1; i > 0; i-- {
		switch c := path[i]; {
		case c == '"' && !isEscaped(path, i):
			inQuotes = !inQuotes
		case (c == '.' || c == '[') && !inQuotes:
			return path[:i]
		}
	}
	return ""
}

// isEscaped reports whether an odd number of backslashes stands before i.
func isEscaped(path string, i int) bool {
	n := 0
	for i--; i >= 0 && path[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}
