package config

import (
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// DefaultAdminSocket is the socket of a configuration that names none.
const DefaultAdminSocket = "/run/weir/admin.sock"

// Admin is where weir answers its operator: the command line, monitoring, and programs that use the API. A bare value is the TCP address, or
// the socket as `unix:/path`, and then nothing is served over TCP.
type Admin struct {
	// The Unix socket on which everything is answered. Only its owner can connect (mode 0600). The command line finds the default by itself. Where nobody has named
	// another socket and `/run/weir` cannot be written, `$XDG_RUNTIME_DIR/weir/admin.sock` is used. `off`: no socket.
	Socket Socket `yaml:"socket" default:"/run/weir/admin.sock" example:"/run/weir/admin.sock"`

	// TCP addresses. Everybody who reaches them gets `/metrics`, `/healthz` and `/readyz`; everything else needs a token. `[]`: none.
	Address []Address `yaml:"address,short" default:"127.0.0.1:9180" example:"[127.0.0.1:9180, 10.0.0.1:9180]"`

	// Tokens that open the rest of the API over TCP, by a name of your choice. A request sends one as `Authorization: Bearer TOKEN`.
	Tokens []AdminToken `yaml:"tokens,named" example:"{ deploy: \"${DEPLOY_TOKEN}\" }"`

	// Off is set by `admin: off`.
	Off bool `yaml:"-"`
}

// FromWord takes `off` and `unix:/path`.
func (a *Admin) FromWord(word string) (err error) {
	if path, isSocket := strings.CutPrefix(word, "unix:"); isSocket {
		a.Address = nil
		return a.Socket.FromText(path)
	}
	a.Off, err = isOff(word)
	return err
}

// Socket is the path of a Unix socket, empty for none.
type Socket string

// FromText takes an absolute path, or `off`.
func (s *Socket) FromText(text string) error {
	if off, err := isOff(text); err == nil && off {
		*s = ""
		return nil
	}
	if !filepath.IsAbs(text) || len(text) > socketPathMax {
		return problemf("%q is not a valid socket; write an absolute path of at most %d bytes, or off", text, socketPathMax)
	}
	*s = Socket(filepath.Clean(text))
	return nil
}

// AdminToken is a secret that a client of the API shows. A bare value is the token.
type AdminToken struct {
	// The name, by which messages speak of the token.
	Name string `yaml:"-,name"`

	// The token: at least 16 characters. Keep it in a file, or in an environment variable.
	Token Secret `yaml:"token,short,required" example:"${DEPLOY_TOKEN}"`
}

// tokenMin is the shortest token that nobody guesses over a network.
const tokenMin = 16

func (r *reader) checkAdmin(a *Admin, by taken) {
	if a.Off {
		return
	}
	r.checkAdminAddresses("admin.address", a.Address, by)
	for _, at := range a.Address {
		if at.Unix != "" {
			r.wrong("admin.address", "takes TCP addresses; write the socket as socket: %s", at.Unix)
		}
	}
	for i := range a.Tokens {
		t := &a.Tokens[i]
		path := joinPath("admin.tokens", t.Name)
		if r.failed(path) {
			continue
		}
		if n := len(t.Token.Value); n < tokenMin || strings.ContainsFunc(t.Token.Value, func(c rune) bool { return c <= ' ' || c > '~' }) {
			r.wrong(path, "a token has at least %d visible ASCII characters; make one with: openssl rand -base64 24", tokenMin)
		}
	}
}

// Logs is what is logged, how and where.
type Logs struct {
	// The access log: one line for each exchange.
	Access AccessLog `yaml:"access" example:"{ format: json, file: /var/log/weir/access.log }"`

	// The lowest level of weir's own messages, which go to standard error.
	Level string `yaml:"level" default:"info" words:"debug info warn error" example:"debug"`
}

// AccessLog is one line for each exchange. A bare value is the file; `off` writes none.
type AccessLog struct {
	// The form of a line: `combined` as Apache and nginx have it, `json`, `w3c` (the W3C's extended format, as IIS writes it), or a text with fields in
	// braces, such as `{client} {method} {target} {status} {duration_ms}`.
	Format string `yaml:"format" default:"combined" example:"json"`

	// The columns of `w3c`. Without it: those that IIS has by default, the server and the reason.
	Fields []string `yaml:"fields" example:"[date, time, c-ip, cs-method, cs-uri-stem, sc-status, time-taken]"`

	// Which exchanges are logged; without it all. What failed on the servers' side or in weir always is.
	When LogWhen `yaml:"when" example:"{ status: [4xx, 5xx], slower: 500ms }"`

	// The share of the other exchanges that is logged: without `when`, of all that did not fail.
	Sample Percent `yaml:"sample" example:"1%"`

	// The file, `stdout` or `stderr`. A file is opened again after it was moved away.
	File string `yaml:"file,short,file" default:"stdout" example:"/var/log/weir/access.log"`

	// When the file is renamed and a new one begun. Without it, that is left to other programs.
	Rotate *LogRotation `yaml:"rotate" example:"{ size: 100MiB, every: 24h, keep: 30, compress: on }"`

	// Off is set by `access: off`.
	Off bool `yaml:"-"`
}

// LogRotation renames the log's file when it is full or its period is over, and begins a new one. The old file's name is the file's and the time in
// UTC, such as `access.log.20261129T000000Z`. A bare value is `size`.
type LogRotation struct {
	// How large a file may become.
	Size Size `yaml:"size,short" example:"100MiB"`

	// How long a file is written to. Periods count from midnight, local time: `24h` is a file a day.
	Every Duration `yaml:"every" example:"24h"`

	// How many old files are kept; older ones are removed.
	Keep int `yaml:"keep" default:"7" range:"1 10000" example:"30"`

	// Old files are compressed with gzip, slowly, so that traffic does not notice.
	Compress bool `yaml:"compress" default:"off" example:"on"`
}

// LogWhen is which exchanges are logged: those of which one of these is so.
type LogWhen struct {
	// The answer's status.
	Status []StatusRange `yaml:"status,short" example:"[4xx, 5xx]"`

	// The exchange took at least this long.
	Slower Duration `yaml:"slower" example:"500ms"`
}

// FromWord takes `on` and `off`.
func (a *AccessLog) FromWord(word string) (err error) {
	a.Off, err = isOff(word)
	return err
}

// rotateLeast and rotatePeriod are the least that a file may hold, and last.
const (
	rotateLeast  = 64 << 10
	rotatePeriod = time.Minute
)

func (r *reader) checkRotation(path string, a *AccessLog) {
	switch c := a.Rotate; {
	case c == nil:
	case a.File == "stdout" || a.File == "stderr":
		r.wrong(path, "%s is no file; name a file, or leave rotation to what reads %s", a.File, a.File)
	case c.Size <= 0 && c.Every <= 0:
		r.wrong(path, "nothing says when; give size, every or both")
	case c.Size > 0 && c.Size < rotateLeast:
		r.wrong(joinPath(path, "size"), "want at least %s, not %s", Size(rotateLeast), c.Size)
	case c.Every > 0 && c.Every.Std() < rotatePeriod:
		r.wrong(joinPath(path, "every"), "want at least %s, not %s", Duration(rotatePeriod), c.Every)
	}
}

// LogFields are the names that a log format may have in braces, LogColumns the columns of `w3c`; telemetry/accesslog has the same.
func LogFields() []string {
	return strings.Fields(`time local_time date clock client peer peer_port own_port dest method host target path query protocol version status sent received duration_ms match_us send_us
		receive_us finish_us user_agent referer route pool server attempts reason detail client_cert ja4 tls`)
}

// LogColumns are the columns of `w3c`.
func LogColumns() []string {
	return strings.Fields(`date time c-ip x-peer-ip c-port x-own-port s-dest cs-method cs-host cs-uri cs-uri-stem cs-uri-query x-protocol cs-version sc-status sc-bytes cs-bytes time-taken
		x-receive-us cs(User-Agent) cs(Referer) x-route x-pool x-server x-attempts x-reason x-detail x-client-cert x-ja4 x-tls`)
}

func (r *reader) checkLog(a *AccessLog) {
	const format, columns = "logs.access.format", "logs.access.fields"
	r.checkRotation("logs.access.rotate", a)
	if len(a.Fields) > 0 && a.Format != "w3c" {
		r.wrong(columns, "only w3c has columns; another format says itself what it has")
	}
	for i, name := range a.Fields {
		if at := indexPath(columns, i); !slices.Contains(LogColumns(), name) {
			r.suggest(r.at(at), at, nearest(name, LogColumns()), "no column %q", name)
		}
	}
	if f := a.Format; f == "combined" || f == "json" || f == "w3c" {
		return
	}
	if !strings.Contains(a.Format, "{") {
		r.suggest(r.at(format), format, nearest(a.Format, []string{"combined", "json", "w3c"}),
			"want combined, json, w3c, or a text with fields such as {client}, not %q", a.Format)
	}
	for rest := strings.ReplaceAll(a.Format, "{{", ""); ; {
		_, after, found := strings.Cut(rest, "{")
		name, tail, closed := strings.Cut(after, "}")
		if !found {
			return
		}
		if rest = tail; !closed || !slices.Contains(LogFields(), name) {
			r.suggest(r.at(format), format, nearest(name, LogFields()), "unknown field {%s}", name)
		}
	}
}
