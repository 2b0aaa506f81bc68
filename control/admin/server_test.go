package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/admin/client"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/lifecycle"
	"github.com/weir-proxy/weir/test/peers"
)

// bed is a running weir with its admin server, whose configuration a test may change.
type bed struct {
	text   atomic.Pointer[string] // of the configuration
	daemon *lifecycle.Daemon
	admin  *Server
	listen string // the address of its listener
}

const oneSite = `
listeners: { web: "LISTEN" }
pools: { api: "127.0.0.1:1" }
sites: { "*": api }
logs: { access: off }
admin: `

func newBed(t *testing.T, c Config, admin string) *bed {
	t.Helper()
	listen, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	c.Log = slog.New(slog.DiscardHandler)
	b := &bed{admin: New(c), listen: listen}
	b.write(oneSite + admin)
	load := func() (*config.Config, config.Problems) {
		return config.Parse("weir.yaml", []byte(*b.text.Load()))
	}
	t.Cleanup(b.admin.Close)
	d, problems, err := lifecycle.Start(lifecycle.Options{Load: load, Prepare: b.admin.Prepare, Probe: b.admin.Probe, Loops: 1, Log: c.Log})
	if err != nil {
		t.Fatal(err, problems)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := d.Stop(ctx, nil); err != nil {
			t.Error(err)
		}
	})
	b.daemon = d
	b.admin.Attach(d)
	if err := b.admin.Apply(d.Config()); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bed) write(text string) {
	text = strings.ReplaceAll(text, "LISTEN", b.listen)
	b.text.Store(&text)
}

// inState is a running weir that says of itself what the test wants.
type inState struct {
	*lifecycle.Daemon
	state string
}

func (d inState) State() string { return d.state }

func ask(s *Server, method, target string, header ...string) *httptest.ResponseRecorder {
	return askHandler(s.handler, method, target, header...)
}

func askHandler(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "127.0.0.1:9180"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		} else {
			r.Header.Add(header[i], header[i+1])
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestWhatIsAnsweredAndWhatIsRefused(t *testing.T) {
	b := newBed(t, Config{Explain: func(r *http.Request) (any, error) {
		if r.URL.Query().Get("url") == "" {
			return nil, errors.New("no url")
		}
		return map[string]string{"pool": "api"}, nil
	}}, "off")
	for _, c := range []struct {
		method, target string
		header         []string
		status         int
	}{
		{"GET", "/healthz", nil, 200},
		{"HEAD", "/healthz", nil, 200},
		{"GET", "/readyz", nil, 200},
		{"GET", "/status", nil, 200},
		{"GET", "/status?x=1", nil, 200},
		{"GET", "/metrics", nil, 200},
		{"GET", "/explain?url=http://a/", nil, 200},
		{"GET", "/explain", nil, 400},
		{"POST", "/reload", []string{"X-Weir", "1"}, 200},
		{"POST", "/reload", []string{"Content-Type", "application/json; charset=utf-8"}, 200},

		// Names that DNS could point here.
		{"GET", "/status", []string{"Host", "evil.example.com"}, 403},
		{"GET", "/status", []string{"Host", "evil.example.com:9180"}, 403},
		{"GET", "/status", []string{"Host", "127.0.0.1.evil.example.com"}, 403},
		{"GET", "/status", []string{"Host", ""}, 403},
		{"GET", "/status", []string{"Host", "localhost:9180"}, 200},
		{"GET", "/status", []string{"Host", "LOCALHOST"}, 200},
		{"GET", "/status", []string{"Host", "[::1]:9180"}, 200},
		{"GET", "/status", []string{"Host", "[::1]"}, 200},
		{"GET", "/status", []string{"Host", "10.1.2.3"}, 200},

		// Web pages.
		{"GET", "/status", []string{"Origin", "http://127.0.0.1:9180"}, 403},
		{"GET", "/status", []string{"Origin", "null"}, 403},
		{"GET", "/status", []string{"Origin", ""}, 403},
		{"POST", "/reload", []string{"X-Weir", "1", "Origin", "http://localhost"}, 403},
		{"POST", "/reload", nil, 403},
		{"POST", "/reload", []string{"X-Weir", "0"}, 403},
		{"POST", "/reload", []string{"Content-Type", "application/x-www-form-urlencoded"}, 403},
		{"POST", "/reload", []string{"Content-Type", "text/plain"}, 403},
		{"POST", "/reload", []string{"Content-Type", "text/plain; application/json"}, 403},
		{"OPTIONS", "/reload", nil, 403},

		// Methods.
		{"GET", "/reload", nil, 405},
		{"HEAD", "/reload", nil, 405},
		{"PUT", "/reload", []string{"X-Weir", "1"}, 405},
		{"POST", "/status", []string{"X-Weir", "1"}, 405},

		// Paths are taken as they are written.
		{"GET", "/", nil, 404},
		{"GET", "/status/", nil, 404},
		{"GET", "//status", nil, 404},
		{"GET", "/./status", nil, 404},
		{"GET", "/x/../status", nil, 404},
		{"GET", "/%73tatus", nil, 404},
		{"GET", "/STATUS", nil, 404},
		{"GET", "/debug/pprof/", nil, 404},
	} {
		w := ask(b.admin, c.method, c.target, c.header...)
		if w.Code != c.status {
			t.Errorf("%s %s %q: %d, want %d: %s", c.method, c.target, c.header, w.Code, c.status, w.Body)
		}
		h := w.Header()
		if h.Get("Access-Control-Allow-Origin") != "" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" ||
			!strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s %s: headers %v", c.method, c.target, h)
		}
		var e api.Error
		if w.Code >= 400 && (json.Unmarshal(w.Body.Bytes(), &e) != nil || e.Error == "" || h.Get("Content-Type") != "application/json") {
			t.Errorf("%s %s: the refusal is no JSON that says why: %s", c.method, c.target, w.Body)
		}
		if w.Code == 405 && h.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", c.method, c.target)
		}
	}
	if st := b.daemon.Status(); st.Config.Reloads != 3 {
		t.Errorf("%d configurations were taken; the first, and two by the two requests that were right", st.Config.Reloads)
	}
}

func TestTheHeapIsSampledOnceItsProfileIsAskedFor(t *testing.T) {
	rate := runtime.MemProfileRate
	defer func() { runtime.MemProfileRate = rate }()
	t.Setenv("GODEBUG", "memprofilerate=524288")
	if DeferHeapProfile(); runtime.MemProfileRate != rate {
		t.Errorf("a sample each %d bytes, where the environment says %d", runtime.MemProfileRate, rate)
	}
	t.Setenv("GODEBUG", "")
	DeferHeapProfile()
	b := newBed(t, Config{}, "off")
	if ask(b.admin, "GET", "/status"); runtime.MemProfileRate != 0 {
		t.Errorf("a sample each %d bytes before anybody asked", runtime.MemProfileRate)
	}
	if w := ask(b.admin, "GET", "/debug/pprof/heap"); w.Code != 200 || w.Body.Len() == 0 || runtime.MemProfileRate != heapRate {
		t.Errorf("%d, %d bytes, and a sample each %d", w.Code, w.Body.Len(), runtime.MemProfileRate)
	}
}

func TestThereIsNoExplainWhereNobodyExplains(t *testing.T) {
	if w := ask(newBed(t, Config{}, "off").admin, "GET", "/explain"); w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
}

func TestHealthAndReadiness(t *testing.T) {
	b := newBed(t, Config{Explain: func(*http.Request) (any, error) { panic("asked before there is something to explain") }}, "off")
	b.admin.daemon.Store(nil)
	for state, want := range map[string][2]int{
		api.Starting: {200, 503}, api.Running: {200, 200}, api.Stopping: {200, 503}, api.Stuck: {503, 503},
	} {
		if state != api.Starting {
			b.admin.Attach(inState{b.daemon, state})
		} else {
			b.admin.daemon.Store(nil)
		}
		for i, path := range []string{"/healthz", "/readyz"} {
			w := ask(b.admin, "GET", path)
			if w.Code != want[i] || !strings.Contains(w.Body.String(), state) {
				t.Errorf("%s while %s: %d %s", path, state, w.Code, w.Body)
			}
		}
	}
	b.admin.daemon.Store(nil)
	if w := ask(b.admin, "GET", "/status"); w.Code != 200 || !strings.Contains(w.Body.String(), `"state": "starting"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(b.admin, "GET", "/metrics"); w.Code != 200 || !strings.Contains(w.Body.String(), "weir_ready 0") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(b.admin, "POST", "/reload", "X-Weir", "1"); w.Code != 422 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(b.admin, "GET", "/explain"); w.Code != 503 {
		t.Errorf("explained by nobody: %d %s", w.Code, w.Body)
	}
}

func TestReloadSaysWhatChanged(t *testing.T) {
	b := newBed(t, Config{File: "weir.yaml", Version: "weir 1"}, "off")
	b.write(strings.Replace(oneSite, `"*": api`, `"*": api, a.example.com: "http://127.0.0.1:3"`, 1) + "off\nlogs: { access: off, level: debug }")
	b.write(strings.Replace(*b.text.Load(), "logs: { access: off }\n", "", 1))
	b.write(strings.Replace(*b.text.Load(), `"127.0.0.1:1"`, `["127.0.0.1:1", "127.0.0.1:2"]`, 1))
	r := reload(t, b, 200)
	want := []string{`changed pools.api`, `added sites."a.example.com"`, `changed logs`}
	got := slices.DeleteFunc(planned(&r), func(c string) bool { return strings.Contains(c, `pools."`) })
	if !r.OK || r.Error != "" || !slices.Equal(got, want) {
		t.Errorf("%+v", r)
	}
	b.write(oneSite + "off")
	if r = reload(t, b, 200); !slices.Contains(planned(&r), `removed sites."a.example.com"`) {
		t.Errorf("%+v", r)
	}
	if r = reload(t, b, 200); !r.OK || !r.Plan.IsEmpty() {
		t.Errorf("%+v", r)
	}
	if st := b.admin.status(); st.Config.LastReload == nil || st.Config.LastError != "" || st.Config.File != "weir.yaml" || st.Version != "weir 1" {
		t.Errorf("%+v", st.Config)
	}
}

func planned(r *api.Reload) (list []string) {
	for _, c := range r.Plan.Changes {
		list = append(list, c.Does+" "+c.Key)
	}
	return list
}

func TestADryRunPlansAndChangesNothing(t *testing.T) {
	free := []string{peers.AdminSocket(), peers.AdminSocket()}
	b := newBed(t, Config{}, `"`+free[0]+`"`)
	first := *b.text.Load()
	b.write(strings.Replace(strings.Replace(first, `"*": api`, `"*": api, new.test: api`, 1), free[0], free[1], 1))
	dry, err := client.New(free[0]).Reload(context.Background(), client.ReloadOptions{DryRun: true})
	if err != nil || !dry.OK || !dry.DryRun || !slices.Equal(planned(dry), []string{`added sites."new.test"`, "changed admin"}) {
		t.Fatalf("%+v %v", dry, err)
	}
	if c := b.daemon.Config(); len(c.Sites) != 1 || b.daemon.Status().Config.Reloads != 1 || !slices.Equal(b.admin.Addresses(), free[:1]) {
		t.Errorf("it changed something: %d sites, admin %v", len(c.Sites), b.admin.Addresses())
	}
	real, err := client.New(free[0]).Reload(context.Background(), client.ReloadOptions{})
	if err != nil || real.DryRun || !reflect.DeepEqual(real.Plan, dry.Plan) {
		t.Errorf("the reload did something else: %+v %v", real, err)
	}
	b.write("sites: 3")
	if dry, err = client.New(free[1]).Reload(context.Background(), client.ReloadOptions{DryRun: true}); err != nil || dry.OK || dry.Plan != nil {
		t.Errorf("a wrong file has a plan: %+v %v", dry, err)
	}
	if st := b.daemon.Status().Config; st.Refused != 0 {
		t.Errorf("a dry run counts as %d refused reloads", st.Refused)
	}
}

func reload(t *testing.T, b *bed, status int) (r api.Reload) {
	t.Helper()
	w := ask(b.admin, "POST", "/reload", "X-Weir", "1")
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || w.Code != status {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return r
}

func TestARefusedReloadSaysWhyAsCheckDoes(t *testing.T) {
	told := errors.New("")
	b := newBed(t, Config{Reload: func(_ *api.Plan, _ config.Problems, err error) { told = err }}, "off")
	b.write(strings.Replace(oneSite, "pools:", "poools:", 1) + "off")
	_, problems := config.Parse("weir.yaml", []byte(*b.text.Load()))
	var plain, colored strings.Builder
	problems.Write(&plain, false)
	problems.Write(&colored, true)
	r := reload(t, b, 422)
	if r.OK || r.Error == "" || r.Rendered != plain.String() || len(r.Problems) != len(problems) || r.Problems[0].Suggestion != "pools" || r.Problems[0].Line != 3 {
		t.Errorf("%+v", r)
	}
	w := ask(b.admin, "POST", "/reload?color=true", "X-Weir", "1")
	if json.Unmarshal(w.Body.Bytes(), &r); r.Rendered != colored.String() {
		t.Errorf("%q", r.Rendered)
	}
	if st := b.admin.status(); st.Config.Refused != 2 || st.Config.LastError != r.Error || told == nil {
		t.Errorf("%+v, told %v", st.Config, told)
	}
}

func TestTheAdminAddressFollowsAReload(t *testing.T) {
	free := []string{peers.AdminSocket(), peers.AdminSocket()}
	b := newBed(t, Config{}, `"`+free[0]+`"`)
	status := func(at string) error {
		_, err := client.New(at).Status(context.Background())
		return err
	}
	if err := status(free[0]); err != nil {
		t.Fatal(err)
	}
	b.write(oneSite + `"` + free[1] + `"`)
	r, err := client.New(free[0]).Reload(context.Background(), client.ReloadOptions{}) // answered by the address that it closes
	if err != nil || !r.OK || !slices.Equal(planned(r), []string{"changed admin"}) {
		t.Fatalf("%+v %v", r, err)
	}
	if err := status(free[1]); err != nil {
		t.Error(err)
	}
	gone := func() bool { var u *client.Unreachable; return errors.As(status(free[0]), &u) }
	for range 200 {
		if gone() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !gone() {
		t.Error("the old address is still answered on")
	}
	b.write(oneSite + "off")
	if r := reload(t, b, 200); !r.OK || len(b.admin.Addresses()) != 0 {
		t.Errorf("%+v %v", r, b.admin.Addresses())
	}
}

func TestAnAdminAddressThatIsTakenRefusesTheReload(t *testing.T) {
	b := newBed(t, Config{}, "off")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	b.write(oneSite + `{ socket: off, address: [ "` + free + `", "` + taken.Addr().String() + `" ] }`)
	r := reload(t, b, 422)
	if r.OK || !strings.HasPrefix(r.Rendered, "weir.yaml:6:1: admin: the admin address cannot be opened: ") || !strings.Contains(r.Rendered, "nothing was changed") {
		t.Errorf("%+v", r)
	}
	if at := b.admin.Addresses(); len(at) != 0 {
		t.Errorf("answered on %v", at)
	}
	l, err := net.Listen("tcp", free)
	if err != nil {
		t.Fatalf("what was opened beside the taken one is still held: %v", err)
	}
	l.Close()
	if err := b.admin.Apply(b.daemon.Config()); err != nil {
		t.Error(err)
	}
}

func TestAUnixSocketIsForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.sock")
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	b := newBed(t, Config{}, `"unix:`+path+`"`)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
	if st, err := client.New("unix:" + path).Status(context.Background()); err != nil || st.State != api.Running {
		t.Errorf("%+v %v", st, err)
	}
	// A socket that somebody answers on is not taken away.
	if _, err := listen("unix:" + path); err == nil {
		t.Error("two servers on one socket")
	}
	b.admin.Close()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

// The public part of the API is what monitoring needs, and no token opens profiles over a network.
func TestOverTCPATokenOpensWhatIsNotForEverybody(t *testing.T) {
	const token = "a-token-of-24-characters"
	b := newBed(t, Config{Explain: func(*http.Request) (any, error) { return map[string]string{"pool": "api"}, nil }}, `{ socket: off, address: [], tokens: { deploy: `+token+` } }`)
	for _, c := range []struct {
		method, target, authorization string
		status                        int
	}{
		{"GET", "/healthz", "", 200},
		{"HEAD", "/readyz", "", 200},
		{"GET", "/metrics", "", 200},
		{"POST", "/metrics", "", 401},
		{"GET", "/status", "", 401},
		{"GET", "/explain?url=http://a/", "", 401},
		{"POST", "/reload", "", 401},
		{"POST", "/servers", "", 401},
		{"POST", "/certificates/revoke", "", 401},
		{"GET", "/nowhere", "", 401}, // what there is, is not told either
		{"GET", "/metrics/", "", 401},
		{"GET", "//status", "", 401},
		{"GET", "/%73tatus", "", 401},
		{"GET", "/debug/pprof/heap", "", 403},
		{"GET", "/debug/pprof/heap", "Bearer " + token, 403},
		{"GET", "/status", "Bearer " + token, 200},
		{"GET", "/status", "bearer  " + token, 200},
		{"POST", "/reload", "Bearer " + token, 200},
		{"GET", "/status", "Bearer " + token + "x", 401},
		{"GET", "/status", "Bearer ", 401},
		{"GET", "/status", "Bearer", 401},
		{"GET", "/status", token, 401},
		{"GET", "/status", "Basic " + token, 401},
		{"GET", "/status?token=" + token, "", 401},
	} {
		header := []string{"X-Weir", "1"}
		if c.authorization != "" {
			header = append(header, "Authorization", c.authorization)
		}
		w := askHandler(b.admin.public, c.method, c.target, header...)
		if w.Code != c.status {
			t.Errorf("%s %s with %q: %d, want %d", c.method, c.target, c.authorization, w.Code, c.status)
		}
		if challenged := w.Header().Get("WWW-Authenticate") != ""; challenged != (c.status == 401) {
			t.Errorf("%s %s with %q: challenged %t", c.method, c.target, c.authorization, challenged)
		}
	}
	b.write(oneSite + `{ socket: off, address: [], tokens: { other: another-token-of-24-char } }`)
	reload(t, b, 200)
	if w := askHandler(b.admin.public, "GET", "/status", "Authorization", "Bearer "+token); w.Code != 401 {
		t.Errorf("a token that a reload has taken away still opens: %d", w.Code)
	}
	b.write(oneSite + `{ socket: off, address: [] }`)
	reload(t, b, 200)
	if w := askHandler(b.admin.public, "GET", "/status", "Authorization", "Bearer "); w.Code != 401 {
		t.Errorf("without any token, the empty one opens: %d", w.Code)
	}
}

// TCP addresses answer with the restricted handler, over a real connection too, and WEIR_TOKEN opens them for the command line.
func TestTheCommandLineUsesItsTokenOverTCP(t *testing.T) {
	free, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	socket := peers.AdminSocket()
	newBed(t, Config{}, `{ socket: "`+strings.TrimPrefix(socket, "unix:")+`", address: "`+free+`", tokens: { deploy: a-token-of-24-characters } }`)
	if _, err := client.New(free).Status(context.Background()); err == nil || !strings.Contains(err.Error(), "needs a token of admin.tokens") {
		t.Errorf("without a token: %v", err)
	}
	if st, err := client.New(socket).Status(context.Background()); err != nil || st.State != api.Running {
		t.Errorf("on the socket: %v", err)
	}
	t.Setenv(client.TokenVariable, "a-token-of-24-characters")
	if st, err := client.New(free).Status(context.Background()); err != nil || st.State != api.Running {
		t.Errorf("with the token: %v", err)
	}
}

func eventually(holds func() bool) bool {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return true
		}
	}
	return false
}

// Where nobody names a socket it is the first default place that can be written, where the command line looks too.
func TestTheDefaultSocketIsFound(t *testing.T) {
	if os.Getuid() == 0 {
		t.Setenv("XDG_RUNTIME_DIR", "")
	}
	if config.DefaultAdminSocket != api.Sockets()[0] {
		t.Errorf("the default is %s, and the command line looks at %s", config.DefaultAdminSocket, api.Sockets()[0])
	}
	runtime, err := os.MkdirTemp("", "w")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(runtime)
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	if got := api.Sockets(); len(got) != 2 || got[1] != filepath.Join(runtime, "weir", "admin.sock") {
		t.Fatalf("%v", got)
	}
	s := New(Config{Log: slog.New(slog.DiscardHandler)})
	defer s.Close()
	cfg, problems := config.Parse("weir.yaml", []byte(`sites: { a.test: http://127.0.0.1:1 }`))
	if cfg == nil {
		t.Fatal(problems)
	}
	if err := writable(filepath.Dir(api.Sockets()[0])); err == nil {
		if got := s.socketFor(&cfg.Admin); got != api.Sockets()[0] {
			t.Errorf("%s", got)
		}
		return
	}
	if got := s.socketFor(&cfg.Admin); got != api.Sockets()[1] {
		t.Errorf("%s", got)
	}
}
