package config

// Rewrite changes path and query before the request goes to the server. A bare value is `path`.
type Rewrite struct {
	// The new path, maybe with a query behind it, which then replaces the request's; `{query}` puts that back. `*` stands for what the `*` of the route's
	// path took, `$1` … `$9` and `$name` for the groups of `pattern` or of the route's own expression, and variables such as `{path}` may be used. `$$` is a
	// dollar sign.
	Path string `yaml:"path,short" example:"\"/profile?id=$1\""`

	// An RE2 expression for the path, in place of the route's own; a path that it does not match stays as it is.
	Pattern string `yaml:"pattern" example:"^/old/(.*)$"`

	// Changes parameters of the query.
	Query QueryEdit `yaml:"query" example:"{ set: { version: \"2\" }, remove: [debug] }"`
}

// QueryEdit changes parameters of the query: first `remove`, then `set`, then `add`. Values may have variables, and `$1` or `$name` for groups.
type QueryEdit struct {
	// Parameters that replace all of their name, by name.
	Set []Header `yaml:"set,named" example:"{ version: \"2\" }"`

	// Parameters added to those of their name, by name.
	Add []Header `yaml:"add,named" example:"{ tag: new }"`

	// Names of parameters taken out; `*` takes all.
	Remove []string `yaml:"remove" example:"[debug]"`
}

// IsEmpty reports whether the query stays as it is.
func (e *QueryEdit) IsEmpty() bool { return len(e.Set)+len(e.Add)+len(e.Remove) == 0 }

// HeaderEdit changes header fields: first `remove`, then `set`, then `add`.
type HeaderEdit struct {
	// Fields that replace all of their name, by name. The variables `{client_ip}`, `{dest_ip}`, `{dest_port}`, `{host}`, `{method}`, `{path}`, `{port}`, `{query}`,
	// `{scheme}`, `{uri}` and `{header:NAME}` may be used.
	Set []Header `yaml:"set,named" example:"{ X-Client: \"{client_ip}\" }"`

	// Fields added to those of their name, by name.
	Add []Header `yaml:"add,named" example:"{ Via: weir }"`

	// Names of fields taken out.
	Remove []string `yaml:"remove" example:"[X-Debug, Server]"`
}

// IsEmpty reports whether the fields stay as they are.
func (e *HeaderEdit) IsEmpty() bool { return len(e.Set)+len(e.Add)+len(e.Remove) == 0 }

// Header is a name and its value. A bare value is `value`.
type Header struct {
	// The name of the field or parameter.
	Name string `yaml:"-,name"`

	// The value; `{file: path}` reads it from a file.
	Value Secret `yaml:"value,short,shown" example:"prod"`
}
