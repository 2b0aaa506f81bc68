package origins

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// built is a path below build/, where `make setup` puts what has no place in the system.
func built(t *testing.T, parts ...string) string {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	path := filepath.Join(append([]string{filepath.Dir(file), "..", "..", "build"}, parts...)...)
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; 'make setup' installs it", err)
	}
	return path
}

// published is a server behind a weir of its own.
type published struct {
	plain, tls string // addresses of weir
	ca         string
}

// publish starts a weir whose only site is for all hosts; SERVER in it is the pool. Requests that reach nothing are answered with 404.
func publish(t *testing.T, server, site string) published {
	t.Helper()
	addresses, err := peers.FreeAddresses(3)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir()}
	w.certificate("app", "localhost")
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	weir, err := peers.Weir(binary, w.dir, fmt.Sprintf(`
listeners:
  plain: { address: %q }
  tls:   { address: %q, http: [http1, http2], tls: { certificates: [{ cert: app/cert.pem, key: app/key.pem }] } }
logs: { access: off }
admin: { address: %q, socket: off }
pools: { server: { servers: [%q] } }
sites: { "*": %s }
`, addresses[0], addresses[1], addresses[2], server, site), addresses[:2]...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { weir.Stop() })
	return published{addresses[0], addresses[1], filepath.Join(w.dir, "app/cert.pem")}
}

// localhost is an address by the name that its certificate has.
func localhost(address string) string { return "localhost:" + peers.Port(address) }

// program runs a program to its end, with variables besides the environment's.
func program(t *testing.T, dir string, variables []string, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Dir, c.Env, c.WaitDelay = dir, append(os.Environ(), variables...), 5*time.Second
	out, err := c.CombinedOutput()
	return string(out), err
}

func start(t *testing.T, name, dir string, variables []string, address, path string, args ...string) {
	t.Helper()
	c := exec.Command(path, args...)
	c.Env = append(os.Environ(), variables...)
	p, err := peers.Start(name, dir, c, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(p.Log)
			t.Logf("%s said:\n%s", name, text[max(0, len(text)-4000):])
		}
		p.Stop()
	})
}

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func text(t *testing.T, name string) string {
	t.Helper()
	b, err := testdata.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// npm publishes a scoped package, whose name has an encoded slash, in a registry of verdaccio, and installs it elsewhere: over HTTP, and over TLS, where the registry has to
// name its files by https.
func TestNpmUsesARegistry(t *testing.T) {
	t.Parallel()
	registry, dir := freeAddress(t), t.TempDir()
	writeFile(t, filepath.Join(dir, "registry.yaml"), text(t, "verdaccio.yaml"))
	start(t, "verdaccio", dir, nil, registry, "node", built(t, "clients", "node_modules", "verdaccio", "bin", "verdaccio"), "-c", "registry.yaml", "-l", registry)
	weir := publish(t, registry, `{ /*: server, /-/metrics/*: { respond: 403 } }`)
	request, err := http.NewRequest("PUT", "http://"+weir.plain+"/-/user/org.couchdb.user:tester", strings.NewReader(`{"name":"tester","password":"secret-1234"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	var account struct{ Token string }
	if err := errors.Join(json.NewDecoder(response.Body).Decode(&account), response.Body.Close()); err != nil || account.Token == "" {
		t.Fatalf("no account: %s, %v", response.Status, err)
	}
	npm := func(dir, at string, args ...string) string {
		t.Helper()
		home := t.TempDir()
		scheme, host := map[bool]string{true: "https", false: "http"}[at == weir.tls], localhost(at)
		rc := writeFile(t, filepath.Join(home, "npmrc"), fmt.Sprintf("registry=%s://%s/\n//%s/:_authToken=%s\ncache=%s\nupdate-notifier=false\naudit=false\nfund=false\nfetch-retries=0\ncafile=%s\n",
			scheme, host, host, account.Token, home, weir.ca))
		out, err := program(t, dir, nil, "npm", append(args, "--userconfig", rc)...)
		if err != nil {
			t.Fatalf("npm %v: %v\n%s", args, err, out)
		}
		return out
	}
	from := t.TempDir()
	for i, at := range []string{weir.plain, weir.tls} {
		version := fmt.Sprintf("1.2.%d", i)
		writeFile(t, filepath.Join(from, "package.json"), fmt.Sprintf(`{"name":"@scope/parcel","version":%q,"main":"index.js"}`, version))
		writeFile(t, filepath.Join(from, "index.js"), "module.exports = '"+version+"'\n")
		npm(from, at, "publish", "--access", "public")
		if got := npm(from, at, "view", "@scope/parcel@"+version, "dist.tarball"); !strings.Contains(got, localhost(at)+"/@scope") || strings.HasPrefix(got, "https") != (at == weir.tls) {
			t.Errorf("the file is at %s", got)
		}
		to := t.TempDir()
		writeFile(t, filepath.Join(to, "package.json"), `{"name":"user","version":"1.0.0"}`)
		npm(to, at, "install", "@scope/parcel@"+version)
		if got, err := os.ReadFile(filepath.Join(to, "node_modules/@scope/parcel/index.js")); err != nil || !strings.Contains(string(got), version) {
			t.Errorf("installed %q, %v", got, err)
		}
	}
	npm(from, weir.plain, "dist-tag", "add", "@scope/parcel@1.2.0", "stable")
	if got := npm(from, weir.tls, "view", "@scope/parcel", "dist-tags.stable"); strings.TrimSpace(got) != "1.2.0" {
		t.Errorf("the tag is %q", got)
	}
	npm(from, weir.tls, "deprecate", "@scope/parcel@1.2.0", "use another")
	npm(from, weir.tls, "unpublish", "@scope/parcel@1.2.0", "--force")
	if got := npm(from, weir.plain, "view", "@scope/parcel", "versions", "--json"); strings.Contains(got, "1.2.0") {
		t.Errorf("there still is %s", got)
	}
}

// The AWS SDK signs requests for keys that a proxy could rewrite, and a server checks each signature by the SDK's own code over the bytes that arrive.
func TestTheAWSSDKUsesObjects(t *testing.T) {
	t.Parallel()
	clients, address := built(t, "clients"), freeAddress(t)
	dir := t.TempDir()
	for _, name := range []string{"s3server.mjs", "s3client.mjs"} {
		writeFile(t, filepath.Join(dir, name), text(t, name))
	}
	if err := os.Symlink(filepath.Join(clients, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	start(t, "s3server", dir, nil, address, "node", "s3server.mjs", peers.Port(address))
	weir := publish(t, address, `{ /*: server, /private/*: { pool: server, deny: [127.0.0.0/8] } }`)
	for _, c := range []struct{ name, endpoint, version string }{
		{"directly", "http://" + address, "http1"}, // whatever fails here is not weir's fault
		{"HTTP/1.1", "http://" + weir.plain, "http1"},
		{"HTTP/1.1 over TLS", "https://" + localhost(weir.tls), "http1"},
		{"HTTP/2", "https://" + localhost(weir.tls), "http2"},
	} {
		out, err := program(t, dir, []string{"NODE_EXTRA_CA_CERTS=" + weir.ca, "NODE_NO_WARNINGS=1"}, "node", "s3client.mjs", c.endpoint, c.version)
		if err != nil || !strings.Contains(out, "all is well") {
			t.Errorf("%s: %v\n%s", c.name, err, out)
		}
	}
}

// targetsOf is a server that keeps the targets it got. It answers as far as GitLab's client needs it.
type targetsOf struct {
	mu   sync.Mutex
	list []string
}

func (s *targetsOf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.list = append(s.list, r.Method+" "+r.RequestURI)
	s.mu.Unlock()
	io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	switch path := r.URL.EscapedPath(); {
	case r.Header.Get("PRIVATE-TOKEN") != "token":
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"message": "401 Unauthorized"}`)
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case strings.HasSuffix(path, "/tree") || strings.HasSuffix(path, "/jobs"):
		io.WriteString(w, `[{"id": 1, "name": "a", "path": "a"}]`)
	case strings.HasSuffix(path, "/raw"):
		io.WriteString(w, "raw")
	default:
		content := base64.StdEncoding.EncodeToString([]byte("content"))
		fmt.Fprintf(w, `{"id": 1, "name": "a", "title": "a", "slug": "a", "path": "a", "key": "a", "iid": 1, "file_path": "a", "encoding": "base64", "content": %q}`, content)
	}
}

func (s *targetsOf) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list
	s.list = nil
	return list
}

// GitLab's API names projects, branches and files by encoded paths. python-gitlab asks a server directly and through weir, and it gets the same.
func TestGitLabsClientNamesProjectsByPaths(t *testing.T) {
	t.Parallel()
	server := &targetsOf{}
	address := peers.ServeHTTP(t, &http.Server{Handler: server})
	weir := publish(t, address, `{ /*: { respond: 404 }, /api/*: server, "~^/[^/]+/-/": server, /api/v4/admin/*: { pool: server, deny: [127.0.0.0/8] } }`)
	script := writeFile(t, filepath.Join(t.TempDir(), "gitlab_client.py"), text(t, "gitlab_client.py"))
	ask := func(endpoint string) (targets []string) {
		t.Helper()
		if out, err := program(t, "", []string{"REQUESTS_CA_BUNDLE=" + weir.ca}, "/usr/bin/python3", script, endpoint); err != nil {
			t.Errorf("%s: %v\n%s", endpoint, err, out)
		}
		return server.take()
	}
	want := ask("http://" + address)
	for _, name := range []string{"group%2Fsub%2Fproject", "feature%2F", "lib%2F"} {
		if !slices.ContainsFunc(want, func(target string) bool { return strings.Contains(target, name) }) {
			t.Errorf("no target has %s: %q", name, want)
		}
	}
	for _, endpoint := range []string{"http://" + weir.plain, "https://" + localhost(weir.tls)} {
		if got := ask(endpoint); !slices.Equal(got, want) {
			t.Errorf("through weir the server gets\n%s\nand directly\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// rabbit starts RabbitMQ with its management API, unpacked below build/.
func rabbit(t *testing.T) (api string) {
	t.Helper()
	root := built(t, "rabbitmq")
	servers, err := filepath.Glob(filepath.Join(root, "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"))
	epmds, err2 := filepath.Glob(filepath.Join(root, "usr/lib/erlang/erts-*/bin/epmd"))
	if err := errors.Join(err, err2); err != nil || len(servers) != 1 || len(epmds) != 1 {
		t.Fatal(servers, epmds, err)
	}
	addresses, err := peers.FreeAddresses(4)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	writeFile(t, file("plugins"), "[rabbitmq_management].\n")
	writeFile(t, file("rabbit.conf"), fmt.Sprintf("listeners.tcp.1 = %s\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %s\n", addresses[0], peers.Port(addresses[1])))
	variables := []string{"HOME=" + dir, "PATH=" + filepath.Join(root, "usr/lib/erlang/bin") + ":" + os.Getenv("PATH"), "ERL_EPMD_ADDRESS=127.0.0.1", "ERL_EPMD_PORT=" + peers.Port(addresses[2]),
		"RABBITMQ_NODENAME=weir@localhost", "RABBITMQ_DIST_PORT=" + peers.Port(addresses[3]), "RABBITMQ_MNESIA_BASE=" + dir, "RABBITMQ_LOG_BASE=" + dir, "RABBITMQ_LOGS=-",
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + file("plugins"), "RABBITMQ_CONFIG_FILE=" + file("rabbit"), "RABBITMQ_CONF_ENV_FILE=" + file("none")}
	start(t, "epmd", dir, variables, addresses[2], epmds[0])
	start(t, "rabbitmq", dir, variables, addresses[1], servers[0])
	return addresses[1]
}

// RabbitMQ's own command names the virtual host / by %2F, and queues by whatever they are called.
func TestRabbitMQIsManaged(t *testing.T) {
	t.Parallel()
	server := rabbit(t)
	weir := publish(t, server, `{ /*: { respond: 404 }, /api/*: server, /cli/*: server, /api/definitions: { pool: server, deny: [127.0.0.0/8] } }`)
	response, err := http.Get("http://" + weir.plain + "/cli/rabbitmqadmin")
	if err != nil {
		t.Fatal(err)
	}
	command, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode != 200 {
		t.Fatal(response.Status, err)
	}
	admin := writeFile(t, filepath.Join(t.TempDir(), "rabbitmqadmin"), string(command))
	for _, at := range []string{weir.plain, weir.tls} {
		args, names := []string{admin, "--host", "localhost", "--port", peers.Port(at)}, []string{"jobs", "a/b", "100%2F", "ü +", "a//b;c?d#e"}
		if at == weir.tls {
			args, names = append(args, "--ssl", "--ssl-ca-cert-file", weir.ca), names[1:2]
		}
		run := func(more ...string) (string, error) {
			return program(t, "", nil, "/usr/bin/python3", append(args, more...)...)
		}
		for _, name := range names {
			for _, step := range []struct{ args, want string }{
				{"declare queue|name=" + name, "queue declared"},
				{"declare exchange|type=direct|name=x " + name, "exchange declared"},
				{"declare binding|source=x " + name + "|destination=" + name + "|routing_key=k/" + name, "binding declared"},
				{"publish|exchange=x " + name + "|routing_key=k/" + name + "|payload=hello " + name, "Message published"},
				{"get|queue=" + name, "hello " + name},
				{"list queues|name", name},
				{"purge queue|name=" + name, "queue purged"},
				{"delete exchange|name=x " + name, "exchange deleted"},
				{"delete queue|name=" + name, "queue deleted"},
			} {
				words := strings.Split(step.args, "|")
				if out, err := run(append(strings.Fields(words[0]), words[1:]...)...); err != nil || !strings.Contains(out, step.want) {
					t.Errorf("%s: rabbitmqadmin %s: %v\n%s", at, step.args, err, out)
				}
			}
		}
		if out, err := run("export", filepath.Join(t.TempDir(), "all.json")); err == nil {
			t.Errorf("a path that is denied was answered: %s", out)
		}
	}
}
