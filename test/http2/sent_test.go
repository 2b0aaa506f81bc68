package http2

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// observer holds the frames that weir sends on a connection against the rules for senders of RFC 9113. The program at the other end speaks by way of it.
type observer struct {
	net.Conn
	t       *testing.T
	toward  string // client or server: who weir speaks to
	mu      sync.Mutex
	sent    framesOf // by weir
	said    framesOf // by the other end
	preface int      // bytes of the preface that are still to come

	hpack      *hpack.Decoder
	fields     []hpack.HeaderField
	block      []byte
	inBlock    uint32
	blockEnds  bool
	first      bool
	streams    map[uint32]*observed
	last       uint32
	goAway     uint32
	window     int64 // what weir may send
	initial    int64
	settings   int // of the other end that weir has not acknowledged
	pings      map[string]int
	violations []string
}

// observed is what is known of a stream.
type observed struct {
	ended, reset bool // by weir
	head         bool
	window       int64
}

// framesOf cuts one direction into frames.
type framesOf struct{ rest []byte }

func (f *framesOf) take(b []byte, each func(h []byte, payload []byte)) {
	f.rest = append(f.rest, b...)
	for len(f.rest) >= 9 {
		n := int(f.rest[0])<<16 | int(f.rest[1])<<8 | int(f.rest[2])
		if len(f.rest) < 9+n {
			return
		}
		each(f.rest[:9], f.rest[9:9+n])
		f.rest = f.rest[9+n:]
	}
}

func observe(t *testing.T, c net.Conn, toward string) *observer {
	o := &observer{Conn: c, t: t, toward: toward, first: true, streams: map[uint32]*observed{}, goAway: 1<<31 - 1, window: 65535, initial: 65535, pings: map[string]int{}}
	o.preface = len(http2.ClientPreface)
	o.hpack = hpack.NewDecoder(4096, func(f hpack.HeaderField) { o.fields = append(o.fields, f) })
	return o
}

func (o *observer) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	b := p[:n]
	if o.toward == "server" {
		k := min(o.preface, len(b))
		o.preface -= k
		b = b[k:]
	}
	o.sent.take(b, o.frame)
	return n, err
}

// Write notes what the other end says before it is on its way: weir cannot know it earlier.
func (o *observer) Write(p []byte) (int, error) {
	o.mu.Lock()
	b := p
	if o.toward == "client" {
		k := min(o.preface, len(b))
		o.preface -= k
		b = b[k:]
	}
	o.said.take(b, o.heard)
	o.mu.Unlock()
	return o.Conn.Write(p)
}

func (o *observer) violates(format string, args ...any) {
	if len(o.violations) < 10 {
		o.violations = append(o.violations, fmt.Sprintf("to a %s: ", o.toward)+fmt.Sprintf(format, args...))
	}
}

func (o *observer) stream(id uint32) *observed {
	s := o.streams[id]
	if s == nil {
		s = &observed{window: o.initial}
		o.streams[id] = s
	}
	return s
}

// heard takes a frame of the other end's.
func (o *observer) heard(h, p []byte) {
	id := binary.BigEndian.Uint32(h[5:]) & 0x7fffffff
	switch http2.FrameType(h[3]) {
	case http2.FrameSettings:
		if h[4]&1 == 0 {
			o.settings++
			for ; len(p) >= 6; p = p[6:] {
				if http2.SettingID(binary.BigEndian.Uint16(p)) == http2.SettingInitialWindowSize {
					to := int64(binary.BigEndian.Uint32(p[2:]))
					for _, s := range o.streams {
						s.window += to - o.initial
					}
					o.initial = to
				}
			}
		}
	case http2.FramePing:
		if h[4]&1 == 0 {
			o.pings[string(p)]++
		}
	case http2.FrameWindowUpdate:
		if n := int64(binary.BigEndian.Uint32(p) & 0x7fffffff); id == 0 {
			o.window += n
		} else {
			o.stream(id).window += n
		}
	}
}

// flagsOf are those that RFC 9113 section 6 defines and that weir has a use for. Section 4.1: "Unused flags MUST be … left unset (0x00) when sending."
var flagsOf = map[http2.FrameType]byte{http2.FrameData: 0x1, http2.FrameHeaders: 0x5, http2.FrameSettings: 0x1, http2.FramePing: 0x1, http2.FrameContinuation: 0x4}

// frame takes a frame of weir's.
func (o *observer) frame(h, p []byte) {
	kind, flags, id := http2.FrameType(h[3]), h[4], binary.BigEndian.Uint32(h[5:])
	if id>>31 != 0 {
		o.violates("%v: section 4.1: the reserved bit \"MUST remain unset (0x00) when sending\"", kind)
	}
	if len(p) > 16384 {
		o.violates("%v of %d bytes: section 4.1: \"Values greater than 2^14 (16,384) MUST NOT be sent unless the receiver has set a larger value\"", kind, len(p))
	}
	if flags&^flagsOf[kind] != 0 {
		o.violates("%v with flags %#x", kind, flags)
	}
	if o.first && (kind != http2.FrameSettings || flags&1 != 0) {
		o.violates("%v first: section 3.4: a SETTINGS frame \"MUST be the first frame\"", kind)
	}
	o.first = false
	if o.inBlock != 0 && (kind != http2.FrameContinuation || id != o.inBlock) {
		o.violates("%v within a head: section 4.3: \"Field blocks MUST be transmitted as a contiguous sequence of frames\"", kind)
	}
	switch kind {
	case http2.FrameData:
		o.data(id, flags, int64(len(p)))
	case http2.FrameHeaders, http2.FrameContinuation:
		o.head(kind, id, flags, p)
	case http2.FrameRSTStream:
		s := o.stream(id)
		if s.reset { // after one of the other end's, weir's may have been on its way
			o.violates("stream %d is reset twice", id)
		}
		if o.toward == "server" && !s.head {
			o.violates("stream %d: section 6.4: \"RST_STREAM frames MUST NOT be sent for a stream in the \"idle\" state\"", id)
		}
		s.reset = true
	case http2.FrameSettings:
		o.settingsFrame(flags, p)
	case http2.FramePing:
		if flags&1 != 0 {
			if o.pings[string(p)]--; o.pings[string(p)] < 0 {
				o.violates("section 6.7: a PING is acknowledged that was not sent, or \"An endpoint MUST NOT respond to PING frames containing this flag\"")
			}
		}
	case http2.FrameGoAway:
		last := binary.BigEndian.Uint32(p)
		if last > o.goAway {
			o.violates("GOAWAY %d after %d: section 6.8: \"Endpoints MUST NOT increase the value they send in the last stream identifier\"", last, o.goAway)
		}
		o.goAway = last
	case http2.FrameWindowUpdate:
		if binary.BigEndian.Uint32(p) == 0 {
			o.violates("a WINDOW_UPDATE of 0")
		}
	default:
		o.violates("a frame of type %v", kind)
	}
}

func (o *observer) settingsFrame(flags byte, p []byte) {
	if flags&1 != 0 {
		if o.settings--; o.settings < 0 || len(p) > 0 {
			o.violates("an acknowledgement of settings that were not sent, or with content")
		}
		return
	}
	for ; len(p) >= 6; p = p[6:] {
		id, v := http2.SettingID(binary.BigEndian.Uint16(p)), binary.BigEndian.Uint32(p[2:])
		if id == http2.SettingEnablePush && v != 0 || id == http2.SettingMaxFrameSize && (v < 1<<14 || v > 1<<24-1) || id == http2.SettingInitialWindowSize && v > 1<<31-1 {
			o.violates("setting %v is %d (section 6.5.2)", id, v)
		}
	}
}

// maySend reports what is wrong with content or a head on a stream.
func (o *observer) maySend(what string, id uint32) *observed {
	s := o.stream(id)
	switch {
	case id%2 == 0:
		o.violates("%s on stream %d", what, id)
	case s.ended:
		o.violates("%s on stream %d after its end: section 5.1: \"An endpoint MUST NOT send any type of frame other than RST_STREAM, WINDOW_UPDATE, or PRIORITY in this state\"", what, id)
	case s.reset:
		o.violates("%s on stream %d after its reset: section 5.1: \"An endpoint MUST NOT send frames other than PRIORITY on a closed stream\"", what, id)
	}
	return s
}

func (o *observer) data(id uint32, flags byte, n int64) {
	s := o.maySend("DATA", id)
	if !s.head {
		o.violates("DATA on stream %d before its head", id)
	}
	o.window -= n
	s.window -= n
	if n > 0 && (o.window < 0 || s.window < 0) {
		o.violates("section 6.9.1: \"The sender MUST NOT send a flow-controlled frame with a length that exceeds the space available in either of the flow-control windows\": %d, %d", o.window, s.window)
	}
	s.ended = flags&1 != 0
}

func (o *observer) head(kind http2.FrameType, id uint32, flags byte, p []byte) {
	if kind == http2.FrameHeaders {
		s := o.maySend("HEADERS", id)
		if o.toward == "server" && !s.head {
			if id <= o.last {
				o.violates("stream %d after %d: section 5.1.1: the identifier \"MUST be numerically greater\"", id, o.last)
			}
			o.last = id
		}
		o.block, o.inBlock, o.blockEnds = nil, id, flags&1 != 0
	} else if o.inBlock == 0 {
		o.violates("CONTINUATION without a head")
	}
	o.block = append(o.block, p...)
	if flags&4 == 0 {
		return
	}
	o.inBlock, o.fields = 0, nil
	if _, err := o.hpack.Write(o.block); err != nil || o.hpack.Close() != nil {
		o.violates("a head that cannot be decoded: %v", err)
	}
	s := o.stream(id)
	o.section(id, s.head && (o.toward == "server" || o.blockEnds && !o.has(":status")))
	s.head = true
	s.ended = o.blockEnds
}

func (o *observer) has(name string) bool {
	for _, f := range o.fields {
		if f.Name == name {
			return true
		}
	}
	return false
}

// section holds a head, or trailers, against section 8.
func (o *observer) section(id uint32, isTrailers bool) {
	pseudo, regular := map[string]int{}, false
	for _, f := range o.fields {
		if strings.HasPrefix(f.Name, ":") {
			pseudo[f.Name]++
			if regular || isTrailers {
				o.violates("%s after fields or in trailers (section 8.3)", f.Name)
			}
			continue
		}
		regular = true
		if f.Name != strings.ToLower(f.Name) || strings.ContainsAny(f.Name, ": \r\n\x00\t") || f.Name == "" {
			o.violates("the name %q: section 8.2: \"Field names MUST be converted to lowercase\"", f.Name)
		}
		if strings.ContainsAny(f.Value, "\r\n\x00") || strings.Trim(f.Value, " \t") != f.Value {
			o.violates("the value %q (section 8.2.1)", f.Value)
		}
		switch f.Name {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings":
			o.violates("%s: section 8.2.2: \"An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header fields\"", f.Name)
		case "te":
			if f.Value != "trailers" {
				o.violates("te: %s: section 8.2.2: \"it MUST NOT contain any value other than \"trailers\"\"", f.Value)
			}
		case "host":
			if o.toward == "server" {
				o.violates("Host beside :authority")
			}
		}
	}
	want := map[string]int{":status": 1}
	if o.toward == "server" {
		want = map[string]int{":method": 1, ":scheme": 1, ":path": 1, ":authority": 1}
	}
	if isTrailers {
		want = map[string]int{}
	}
	if fmt.Sprint(pseudo) != fmt.Sprint(want) {
		o.violates("stream %d has %v, want %v", id, pseudo, want)
	}
}

// verdict tells what was wrong. Everything that was asked for is acknowledged by then.
func (o *observer) verdict() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, v := range o.violations {
		o.t.Error(v)
	}
}

// observers are the connections of a run.
type observers struct {
	t    *testing.T
	mu   sync.Mutex
	list []*observer
}

func (l *observers) add(c net.Conn, toward string) net.Conn {
	o := observe(l.t, c, toward)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, o)
	return o
}

// oddOrigin answers in every way, with fields that must not reach a client of HTTP/2.
func oddOrigin(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.URL.Query().Get("n"))
	if r.ProtoMajor == 1 {
		w.Header()["Keep-Alive"] = []string{"timeout=5"}
		w.Header()["Proxy-Connection"] = []string{"x"}
	}
	w.Header()["X-MixedCase"] = []string{"Value"}
	switch strings.TrimPrefix(r.URL.Path, "/two") {
	case "/early":
		w.WriteHeader(413)
		return
	case "/none":
		w.WriteHeader(204)
		return
	case "/hints":
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(103)
	case "/abort":
		w.Write(make([]byte, 1000))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Trailer", "X-End")
	io.Copy(io.Discard, r.Body)
	w.Write(make([]byte, n))
	w.Header().Set("X-End", "1")
}

// Whatever passes, in whichever way it ends, weir's own frames obey the rules that RFC 9113 has for senders, towards clients and servers.
func TestWhatIsSentObeysTheRules(t *testing.T) {
	seen := &observers{t: t}
	origin := serve(t, http.HandlerFunc(oddOrigin))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go (&http2.Server{MaxConcurrentStreams: 20}).ServeConn(seen.add(c, "server"), &http2.ServeConnOpts{Handler: http.HandlerFunc(oddOrigin)})
		}
	}()
	w := newWorld(t, fmt.Sprintf("pools:\n  one: { servers: [%q] }\n  two: { servers: [%q], protocol: h2c, eject: off }\nsites:\n  \"*\":\n    /two/*: two\n    /*: one\n", origin, l.Addr()))
	transport := &http2.Transport{TLSClientConfig: &tls.Config{RootCAs: w.roots, ServerName: "localhost", NextProtos: []string{"h2"}},
		DialTLSContext: func(ctx context.Context, network, _ string, config *tls.Config) (net.Conn, error) {
			c, err := tls.Dial(network, w.secure, config)
			if err != nil {
				return nil, err
			}
			return seen.add(c, "client"), nil
		}}
	defer transport.CloseIdleConnections()
	var all sync.WaitGroup
	for client := range 6 {
		dice := rand.New(rand.NewPCG(1, uint64(client)))
		all.Go(func() {
			for range 80 {
				ask(t, transport, dice)
			}
		})
		if client == 3 {
			w.reload()
		}
	}
	all.Wait()
	w.Stop()
	toward := map[string]int{}
	for _, o := range seen.list {
		o.verdict()
		toward[o.toward] += len(o.streams)
	}
	t.Logf("streams seen: %v on %d connections", toward, len(seen.list))
	if toward["client"] < 400 || toward["server"] < 100 {
		t.Error("too little was seen")
	}
}

// ask asks for something, in one of many ways.
func ask(t *testing.T, transport http.RoundTripper, dice *rand.Rand) {
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	path := []string{"", "/two"}[dice.IntN(2)] + []string{"/", "/early", "/none", "/hints", "/abort"}[dice.IntN(5)]
	sizes := []int{0, 1, 1000, 20_000, 300_000}
	url := fmt.Sprintf("https://localhost%s?n=%d", path, sizes[dice.IntN(len(sizes))])
	method := []string{"GET", "HEAD", "POST", "PUT", "OPTIONS"}[dice.IntN(5)]
	var body io.Reader
	if method == "POST" || method == "PUT" {
		body = &zeros{left: sizes[dice.IntN(len(sizes))]}
	}
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Error(err)
		return
	}
	r.Header.Set("Cookie", "a=1; b=2")
	r.Header.Set("TE", "trailers")
	r.Header.Set("X-Empty", "")
	// Go's server takes trailers that cross its early response for an error of the connection.
	if body != nil && (strings.HasSuffix(path, "/") || strings.HasSuffix(path, "/hints")) {
		r.Trailer = http.Header{"X-Sum": {"1"}}
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		if !strings.HasSuffix(path, "/abort") {
			t.Errorf("%s %s: %v", method, url, err)
		}
		return
	}
	defer answer.Body.Close()
	if dice.IntN(6) == 0 {
		return // leaves in the middle
	}
	io.Copy(io.Discard, answer.Body)
}
