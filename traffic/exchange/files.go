package exchange

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/files"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/message"
)

// serveFile answers with a file of the route's directory.
func (x *Exchange) serveFile() Stage {
	if x.request.head.Method != message.MethodGET && x.request.head.Method != message.MethodHEAD {
		x.fail(405, reason.FileMethod)
		x.response.local.allow = "GET, HEAD"
		return Answer
	}
	f, err := x.findFile()
	switch {
	case errors.Is(err, files.ErrDirectory):
		return x.toDirectory()
	case errors.Is(err, files.ErrForbidden):
		return x.fail(403, reason.FileForbidden)
	case errors.Is(err, files.ErrNotFound):
		return x.fail(404, reason.NoFile)
	case errors.Is(err, engine.ErrInterrupted):
		return x.abandon(reason.ClientCut)
	case errors.Is(err, engine.ErrBusy), errors.Is(err, engine.ErrStuck):
		x.detail = err.Error()
		return x.fail(503, reason.FileStuck)
	case err != nil:
		x.detail = err.Error()
		return x.fail(503, reason.FileFailed)
	}
	defer x.at.files.release(f)
	return x.deliverFile(f)
}

// findFile takes the file from the loop's cache, or has a worker look for it.
func (x *Exchange) findFile() (*openFile, error) {
	root := x.request.route.Files
	path := x.filePath()
	accept := files.Accept(0)
	if root.Precompressed {
		accept = files.ParseAccept(x.request.head.Get(message.FieldAcceptEncoding))
	}
	cache := &x.at.files
	if f := cache.get(root, accept, path, x.at.loop.Now()); f != nil {
		return f, nil
	}
	key := fileKey{root, accept, string(path)}
	var found *files.File
	asked := x.at.loop.Now()
	err := errors.New("the search for the file failed")
	x.client.conn.Watch(x) // one that leaves gives its place up
	if stuck := x.at.loop.Block(x.disk(root.Root), &x.response.searching, func() { found, err = root.Find(key.path, accept) }, func() {
		if found != nil {
			found.Close()
		}
	}); stuck != nil {
		return nil, stuck
	}
	cache.sweep(x.at.loop.Now())
	if err != nil {
		if old := cache.known[key]; old != nil {
			cache.forget(old)
		}
		return nil, err
	}
	return cache.put(key, found, asked, x.at.loop.Now()), nil
}

// filePath is what is looked up: the rewritten path, or what follows the route's prefix.
func (x *Exchange) filePath() []byte {
	if x.request.forward != nil {
		for i, c := range x.request.forward {
			if c == '?' {
				return x.request.forward[:i]
			}
		}
		return x.request.forward
	}
	return x.request.path[x.request.route.FilesSkip:]
}

// toDirectory sends the client to the same name with a slash at its end, without which the page's relative links would lead elsewhere.
func (x *Exchange) toDirectory() Stage {
	x.gather()
	x.reason = reason.Redirected
	x.response.local = localAnswer{status: withSlash.Status, location: withSlash}
	return Answer
}

var withSlash = func() *site.Redirect {
	to, err := filter.ParseLocation("{path}/")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return &site.Redirect{To: to, Status: 301}
}()

// deliverFile says what the request's conditions and ranges make of the file.
func (x *Exchange) deliverFile(f *openFile) Stage {
	c := x.conditions()
	var spans []files.Span
	x.stamp(Deliver)
	x.reason = reason.FileServed
	x.response.status = c.Status(f.File)
	if x.response.status == 200 && x.request.head.Method == message.MethodGET {
		var ok bool
		if spans, ok = c.Ranges(f.File); !ok {
			x.response.status = 416
		} else if spans != nil {
			x.response.status = 206
		}
	}
	if x.isLast() {
		x.client.keepAlive = false
	}
	x.settleBody()
	return x.sendFile(f, spans)
}

// conditions are the request's fields that an answer with a file depends on. Most requests have none, so one walk settles it.
func (x *Exchange) conditions() (c files.Conditions) {
	f := &x.request.head.Fields
	for i := range f.List {
		switch f.List[i].ID {
		case message.FieldIfMatch:
			c.IfMatch = f.ValueOf(i)
		case message.FieldIfNoneMatch:
			c.IfNoneMatch = f.ValueOf(i)
		case message.FieldIfModifiedSince:
			c.IfModifiedSince = f.ValueOf(i)
		case message.FieldIfUnmodifiedSince:
			c.IfUnmodifiedSince = f.ValueOf(i)
		case message.FieldIfRange:
			c.IfRange = f.ValueOf(i)
		case message.FieldRange:
			c.Range = f.ValueOf(i)
		}
	}
	return c
}

// sendFile sends head and body.
func (x *Exchange) sendFile(f *openFile, spans []files.Span) Stage {
	b := x.scratch()
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(x.response.status), 10)
	b = append(b, ' ')
	b = append(b, message.ReasonPhrase(x.response.status)...)
	b = append(b, "\r\n"...)
	b = x.appendDate(b)
	b = x.appendAltSvc(b)
	b = appendValidators(b, f.File)
	boundary, heads := "", [][]byte(nil)
	switch {
	case x.response.status == 304:
	case x.response.status == 412:
		b = append(b, "Content-Length: 0\r\n"...)
	case x.response.status == 416:
		b = fmt.Appendf(b, "Content-Range: bytes */%d\r\nContent-Length: 0\r\n", f.Size)
	case len(spans) > 1:
		boundary = strconv.FormatUint(rand.Uint64(), 36)
		var total int64
		heads, total = partHeads(f.File, spans, boundary)
		b = append(b, "Content-Type: multipart/byteranges; boundary="...)
		b = append(b, boundary...)
		b = append(b, "\r\n"...)
		b = appendLength(b, total)
	case len(spans) == 1:
		b = appendContentRange(b, f.File, spans[0])
		b = appendKind(b, f.File)
		b = appendLength(b, spans[0].Length)
	default:
		b = appendKind(b, f.File)
		b = appendLength(b, f.Size)
		spans = []files.Span{{From: 0, Length: f.Size}}
	}
	b = x.appendEnd(b)
	if x.response.status >= 300 || x.request.head.Method == message.MethodHEAD {
		spans = nil
	}
	if !x.sendSpans(f, b, spans, heads, boundary) {
		return x.abandon(x.reason)
	}
	return Finish
}

// appendEnd appends what the route and the connection have to say, and the end of the head.
func (x *Exchange) appendEnd(b []byte) []byte {
	switch {
	case !x.client.keepAlive:
		b = append(b, "Connection: close\r\n"...)
	case x.request.head.Minor == 0:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	if e := x.request.route.ResponseHeaders; e != nil {
		b = e.Append(b, x.gather())
	}
	return append(b, "\r\n"...)
}

// appendValidators appends what says which representation it is; RFC 9110 section 15.4.5 wants the same with 304.
func appendValidators(b []byte, f *files.File) []byte {
	b = append(b, "Last-Modified: "...)
	b = f.Modified.UTC().AppendFormat(b, "Mon, 02 Jan 2006 15:04:05 GMT")
	b = append(b, "\r\nETag: "...)
	b = append(b, f.ETag...)
	if f.Varies {
		b = append(b, "\r\nVary: Accept-Encoding"...)
	}
	return append(b, "\r\nAccept-Ranges: bytes\r\n"...)
}

func appendKind(b []byte, f *files.File) []byte {
	b = append(b, "Content-Type: "...)
	b = append(b, f.Type...)
	if f.Encoding != files.Identity {
		b = append(b, "\r\nContent-Encoding: "...)
		b = append(b, f.Encoding.String()...)
	}
	return append(b, "\r\n"...)
}

func appendContentRange(b []byte, f *files.File, s files.Span) []byte {
	return fmt.Appendf(b, "Content-Range: bytes %d-%d/%d\r\n", s.From, s.From+s.Length-1, f.Size)
}

// partHeads are the heads of the parts of a multipart answer, and its length (RFC 9110 section 14.6).
func partHeads(f *files.File, spans []files.Span, boundary string) (heads [][]byte, total int64) {
	for _, s := range spans {
		h := append([]byte("\r\n--"), boundary...)
		h = append(h, "\r\n"...)
		h = appendKind(h, f)
		h = appendContentRange(h, f, s)
		h = append(h, "\r\n"...)
		heads = append(heads, h)
		total += int64(len(h)) + s.Length
	}
	return heads, total + int64(len("\r\n--"+boundary+"--\r\n"))
}

// sendSpans sends the head with what is in memory, and the rest from the file.
func (x *Exchange) sendSpans(f *openFile, head []byte, spans []files.Span, heads [][]byte, boundary string) bool {
	p := message.Piece{Buf: head, Head: len(head), End: len(head)}
	for i, s := range spans {
		if heads != nil {
			p.Buf = append(p.Buf, heads[i]...)
			p.End = len(p.Buf)
		}
		if f.Whole != nil {
			p.More = f.Whole[s.From : s.From+s.Length]
		}
		if p.Ended = f.Whole != nil && heads == nil; !x.sendPiece(p) || f.Whole == nil && !x.fileToClient(f, s) {
			return false
		}
		if p.Ended {
			return true
		}
		p = message.Piece{Buf: p.Buf[:0]}
	}
	if heads != nil && spans != nil {
		p.Buf = append(append(append(p.Buf, "\r\n--"...), boundary...), "--\r\n"...)
		p.End = len(p.Buf)
	}
	p.Ended = true
	return x.sendPiece(p)
}

func (x *Exchange) fileToClient(f *openFile, s files.Span) bool {
	x.client.stream.SetWriteTimeout(x.setup.Send)
	n, err := x.client.stream.SendFile(x.disk(x.request.route.Files.Root), f.Handle(), s.From, s.Length)
	x.sent += n
	return x.tookIt(err)
}

// tookIt notes why the client did not take an answer.
func (x *Exchange) tookIt(err error) bool {
	if err != nil {
		x.client.keepAlive = false
		x.reason = reason.ClientCut
		if errors.Is(err, engine.ErrTimeout) {
			x.reason = reason.ClientStalled
		}
	}
	return err == nil
}

// fileFresh is how long a name is taken to lead to the file that was found, in ms, and wholeFresh how long one that is sent from memory is taken to be as it was read: a look is a system call.
// filesMost, wholesMost and handlesPart bound what a loop remembers.
const (
	fileFresh   = int64(time.Second / time.Millisecond)
	fileKept    = 10 * fileFresh
	wholeFresh  = 10
	filesMost   = 256
	wholesMost  = 4 << 20 // bytes
	handlesPart = 32      // one in so many of the process's descriptors is for small files, so that a look at one does not wait for the disk
)

// fileKey is what a file is remembered by.
type fileKey struct {
	root   *files.Root
	accept files.Accept
	path   string
}

// openFile is a file that exchanges of a loop share.
type openFile struct {
	*files.File
	key   fileKey
	at    int64 // found, ms
	seen  int64 // as it is, ms
	users int
	known bool // in the cache
}

// fileCache is the files that a loop remembers. The oldest goes first. Owned by the loop.
type fileCache struct {
	loop  *engine.Loop
	known map[fileKey]*openFile
	order []*openFile
	bytes int // of those in memory
	open  int // descriptors of those in memory
}

// get returns a fresh file for use.
func (c *fileCache) get(root *files.Root, accept files.Accept, path []byte, now int64) *openFile {
	f := c.known[fileKey{root, accept, string(path)}]
	if f == nil || now-f.at >= fileFresh {
		return nil
	}
	if !f.isAsSeen(now) {
		c.forget(f) // its length and its validators are not those of what would be sent
		return nil
	}
	f.users++
	return f
}

// isAsSeen looks whether the file was written to in place since it was found. One that is sent from memory, and hot, is looked at now and then only. Without a descriptor, or where the time
// does not tell, it is to be found anew: a look by name may wait for the disk, which only a worker may.
func (f *openFile) isAsSeen(now int64) bool {
	if f.Whole != nil {
		switch {
		case now-f.seen < wholeFresh:
			return true
		case f.IsRecent, f.Handle() == nil:
			return false
		}
	}
	f.seen = now
	return !engine.HasChanged(f.Handle(), f.Size, f.Modified)
}

// put remembers a file that was found, for use. asked is when the search began: it may have been read as early as that.
func (c *fileCache) put(key fileKey, found *files.File, asked, now int64) *openFile {
	f := &openFile{File: found, key: key, at: now, seen: asked, users: 1, known: true}
	if c.known == nil {
		c.known = map[fileKey]*openFile{}
	}
	if old := c.known[key]; old != nil {
		c.forget(old)
	}
	if f.Whole != nil && c.open >= c.handlesMost() {
		c.closeLater(f, f.LetGo())
	}
	c.hold(f, 1)
	c.known[key] = f
	c.order = append(c.order, f)
	c.bytes += len(f.Whole)
	for len(c.known) > filesMost || c.bytes > wholesMost {
		c.forget(c.oldest())
	}
	return f
}

// handlesMost is how many small files the loop may have open.
func (c *fileCache) handlesMost() int {
	e := c.loop.Engine()
	return int(e.DescriptorsMost()) / handlesPart / len(e.Loops())
}

// hold counts the descriptor of a file, by 1 or -1.
func (c *fileCache) hold(f *openFile, n int) {
	n *= f.Descriptors()
	c.loop.HoldDescriptors(n)
	if f.Whole != nil {
		c.open += n
	}
}

// sweep forgets what nobody has asked for lately: a file that was removed takes its room on the disk for as long as it is open.
func (c *fileCache) sweep(now int64) {
	for len(c.known) > 0 {
		if f := c.oldest(); now-f.at < fileKept {
			return
		} else {
			c.forget(f)
		}
	}
}

func (c *fileCache) oldest() *openFile {
	for !c.order[0].known {
		c.order = c.order[1:]
	}
	return c.order[0]
}

func (c *fileCache) forget(f *openFile) {
	delete(c.known, f.key)
	f.known = false
	c.bytes -= len(f.Whole)
	if f.users == 0 {
		c.close(f)
	}
	if len(c.order) > 2*filesMost {
		kept := c.order[:0]
		for _, f := range c.order {
			if f.known {
				kept = append(kept, f)
			}
		}
		clear(c.order[len(kept):])
		c.order = kept
	}
}

// release ends a use.
func (c *fileCache) release(f *openFile) {
	if f.users--; f.users == 0 && !f.known {
		c.close(f)
	}
}

// close has a worker close the file, since the file system may be asked for that.
func (c *fileCache) close(f *openFile) {
	c.hold(f, -1)
	c.closeLater(f, f.File.Close)
}

func (c *fileCache) closeLater(f *openFile, close func()) {
	c.loop.Later(c.loop.Workers(engine.DiskWork, f.key.root.Root), close)
}
