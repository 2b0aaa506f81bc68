package http3

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/qpack"
	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/wire/http2"
	wire "github.com/weir-proxy/weir/wire/http3"
)

type tlsConfig = tls.Config

// raw connects without any HTTP/3 on the client's side.
func (w *world) raw() *quicgo.Conn {
	w.t.Helper()
	c, err := quicgo.DialAddr(w.t.Context(), w.address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}, ServerName: "localhost"}, &quicgo.Config{})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// spki is the hash of the public key that weir is met with, as browsers take it for trusted.
func (w *world) spki() string {
	c := w.raw()
	defer c.CloseWithError(0x100, "")
	sum := sha256.Sum256(c.ConnectionState().TLS.PeerCertificates[0].RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func frame(kind uint64, payload string) []byte {
	return append(wire.AppendHeader(nil, kind, len(payload)), payload...)
}

func request(lines string) []byte {
	return frame(wire.FrameHeaders, string(wire.AppendRequest(nil, []byte(lines), http2.Target{Secure: true})))
}

// statusOf is the :status of a section.
func statusOf(t *testing.T, block []byte) string {
	t.Helper()
	for next := qpack.NewDecoder().Decode(block); ; {
		f, err := next()
		if err != nil {
			t.Fatal(err)
		}
		if f.Name == ":status" {
			return f.Value
		}
	}
}

// accept answers a key (RFC 6455 section 4.2.2).
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// schemed is a plain request of a scheme.
func schemed(scheme string) []byte {
	b := []byte{0, 0, 0xd1, 0xc1, 0x50, 9}
	b = append(b, "localhost"...)
	b = append(append(b, 0x5f, 0x07, byte(len(scheme))), scheme...) // the name of line 22 of the static table
	return frame(wire.FrameHeaders, string(b))
}

const plain = "GET /own HTTP/1.1\r\nHost: localhost\r\n\r\n"

// fields encodes fields as they are, without any rule.
func fields(list ...string) []byte {
	b := []byte{0, 0}
	for i := 0; i < len(list); i += 2 {
		b = append(b, 0x27, byte(len(list[i])-7)) // 3 bits of a length that is at least 7
		b = append(b, list[i]...)
		b = append(b, byte(len(list[i+1])))
		b = append(b, list[i+1]...)
	}
	return frame(wire.FrameHeaders, string(b))
}

// posting is a request that has content, of no length.
func posting() []byte { return request("POST /echo HTTP/1.1\r\nHost: localhost\r\n\r\n") }

var trailers = fields("x-trailer", "1")

func TestRulesOfARequestsStream(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		sent       []byte
		ofStream   wire.Code // expected; 0: none
		connection wire.Code
	}{
		"a plain request":                    {request(plain), 0, 0},
		"frames of unknown types around it":  {append(frame(0x21, "grease"), request(plain)...), 0, 0},
		"a DATA frame first":                 {frame(wire.FrameData, "x"), 0, wire.FrameUnexpected},
		"a SETTINGS frame":                   {frame(wire.FrameSettings, ""), 0, wire.FrameUnexpected},
		"a frame of HTTP/2":                  {frame(0x06, "12345678"), 0, wire.FrameUnexpected},
		"a GOAWAY":                           {frame(wire.FrameGoAway, "\x00"), 0, wire.FrameUnexpected},
		"a section that refers to a table":   {frame(wire.FrameHeaders, "\x02\x00\x80"), 0, wire.DecompressionFailed},
		"an index that is not there":         {frame(wire.FrameHeaders, "\x00\x00\xff\xff\x01"), 0, wire.DecompressionFailed},
		"nothing":                            {nil, wire.RequestIncomplete, 0},
		"frames of unknown types alone":      {frame(0x21, "grease"), wire.RequestIncomplete, 0},
		"a large unknown frame first":        {append(frame(0x21, strings.Repeat("x", 60_000)), request(plain)...), 0, 0},
		"a large unknown frame last":         {append(posting(), frame(0x21, strings.Repeat("x", 60_000))...), 0, 0},
		"an unknown frame without end":       {wire.AppendHeader(posting(), 0x21, 1<<29), 0, wire.ExcessiveLoad},
		"no end of the head":                 {wire.AppendHeader(nil, wire.FrameHeaders, 100), 0, wire.FrameError},
		"half the header of a frame":         {wire.AppendHeader(nil, wire.FrameHeaders, 100)[:1], 0, wire.FrameError},
		"no end of an unknown frame":         {wire.AppendHeader(nil, 0x21, 100), 0, wire.FrameError},
		"no end of the content":              {append(posting(), wire.AppendHeader(nil, wire.FrameData, 100)...), 0, wire.FrameError},
		"half the header of content":         {append(posting(), 0x00), 0, wire.FrameError},
		"no end of the trailers":             {append(posting(), wire.AppendHeader(nil, wire.FrameHeaders, 100)...), 0, wire.FrameError},
		"no end of a frame after content":    {append(posting(), wire.AppendHeader(frame(wire.FrameData, "x"), 0x21, 100)...), 0, wire.FrameError},
		"trailers":                           {append(posting(), trailers...), 0, 0},
		"unknown frames after trailers":      {append(posting(), append(trailers, frame(0x21, "grease")...)...), 0, 0},
		"content after trailers":             {append(posting(), append(trailers, frame(wire.FrameData, "x")...)...), 0, wire.FrameUnexpected},
		"trailers twice":                     {append(posting(), append(trailers, trailers...)...), 0, wire.FrameUnexpected},
		"a GOAWAY after trailers":            {append(posting(), append(trailers, frame(wire.FrameGoAway, "\x00")...)...), 0, wire.FrameUnexpected},
		"half a frame after trailers":        {append(posting(), append(trailers, wire.AppendHeader(nil, 0x21, 9)...)...), 0, wire.FrameError},
		"pseudo-fields in trailers":          {append(posting(), fields(":status", "200")...), wire.MessageError, 0},
		"a head in a head":                   {append(posting(), request(plain)...), wire.MessageError, 0},
		"a push promise":                     {frame(wire.FramePushPromise, "\x00\x00\x00"), 0, wire.FrameUnexpected},
		"a push promise among content":       {append(posting(), frame(wire.FramePushPromise, "\x00\x00\x00")...), 0, wire.FrameUnexpected},
		"a MAX_PUSH_ID":                      {frame(wire.FrameMaxPushID, "\x00"), 0, wire.FrameUnexpected},
		"a CANCEL_PUSH":                      {frame(wire.FrameCancelPush, "\x00"), 0, wire.FrameUnexpected},
		"frame 2 of HTTP/2":                  {frame(0x02, "12345"), 0, wire.FrameUnexpected},
		"frame 8 of HTTP/2":                  {frame(0x08, "1234"), 0, wire.FrameUnexpected},
		"frame 9 of HTTP/2":                  {append(posting(), frame(0x09, "")...), 0, wire.FrameUnexpected},
		"a reference to the dynamic table":   {frame(wire.FrameHeaders, "\x00\x00\x80"), 0, wire.DecompressionFailed},
		"an integer that is too large":       {frame(wire.FrameHeaders, "\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 0, wire.DecompressionFailed},
		"a name in upper case":               {fields("X-Upper-Case", "x"), wire.MessageError, 0},
		"a name with a line feed":            {fields("x-feed\nname", "x"), wire.MessageError, 0},
		"a value with a line feed":           {fields("x-value-feed", "x\r\nhost: b"), wire.MessageError, 0},
		"a priority update":                  {append(request(plain), frame(wire.FramePriorityUpdate, "\x00u=1")...), 0, wire.FrameUnexpected},
		"content beside a length of 0":       {append(request("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"), frame(wire.FrameData, "x")...), wire.MessageError, 0},
		"another scheme":                     {schemed("ftp"), wire.MessageError, 0},
		"an empty scheme":                    {schemed(""), wire.MessageError, 0},
		"no pseudo-fields":                   {fields("accept-x", "y"), wire.MessageError, 0},
		"connection-specific":                {fields("connection", "close"), wire.MessageError, 0},
		"a length that is not kept":          {append(request("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"), frame(wire.FrameData, "abc")...), wire.MessageError, 0},
		"more than the length":               {append(request("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n"), frame(wire.FrameData, "abc")...), wire.MessageError, 0},
		"a path without a slash":             {request("GET own HTTP/1.1\r\nHost: localhost\r\n\r\n"), wire.MessageError, 0},
		"a head that is larger than allowed": {wire.AppendHeader(nil, wire.FrameHeaders, 1<<20), wire.ExcessiveLoad, 0},
	} {
		t.Run(name, func(t *testing.T) {
			conn := w.raw()
			defer conn.CloseWithError(0x100, "")
			s, err := conn.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			s.Write(c.sent)
			s.Close()
			s.SetReadDeadline(time.Now().Add(5 * time.Second))
			answer, err := io.ReadAll(s)
			var reset *quicgo.StreamError
			if (err == nil || errors.As(err, &reset)) && c.connection != 0 { // the answer to what came before the fault, or the stream's own end, may come before the connection's
				select {
				case <-conn.Context().Done():
					err = context.Cause(conn.Context())
				case <-time.After(5 * time.Second):
				}
			}
			var ofStream *quicgo.StreamError
			var ofConnection *quicgo.ApplicationError
			switch {
			case errors.As(err, &ofConnection):
				if got := wire.Code(ofConnection.ErrorCode); got != c.connection {
					t.Errorf("the connection ended by %#x, want %#x", got, c.connection)
				}
			case errors.As(err, &ofStream):
				if got := wire.Code(ofStream.ErrorCode); got != c.ofStream {
					t.Errorf("the stream ended by %#x, want %#x", got, c.ofStream)
				}
			case err != nil:
				t.Error(err)
			case c.ofStream != 0 || c.connection != 0:
				t.Errorf("answered: %q", answer)
			case len(answer) == 0:
				t.Error("no answer")
			}
		})
	}
}

func TestRulesOfTheControlStreams(t *testing.T) {
	w := newWorld(t)
	settings := string(frame(wire.FrameSettings, ""))
	for name, c := range map[string]struct {
		streams []string
		want    wire.Code
	}{
		"settings":                         {[]string{"\x00" + settings}, 0},
		"unknown stream":                   {[]string{"\x21abc", "\x00" + settings}, 0},
		"two control streams":              {[]string{"\x00" + settings, "\x00" + settings}, wire.StreamCreationError},
		"no settings first":                {[]string{"\x00" + string(frame(wire.FrameGoAway, "\x00"))}, wire.MissingSettings},
		"settings twice":                   {[]string{"\x00" + settings + settings}, wire.FrameUnexpected},
		"settings of HTTP/2":               {[]string{"\x00" + string(frame(wire.FrameSettings, "\x02\x00"))}, wire.SettingsError},
		"data":                             {[]string{"\x00" + settings + string(frame(wire.FrameData, "x"))}, wire.FrameUnexpected},
		"a push":                           {[]string{"\x01\x00"}, wire.StreamCreationError},
		"a control that is reset":          {[]string{"\x00" + settings + "RESET"}, wire.ClosedCriticalStream},
		"an encoder stream that is reset":  {[]string{"\x00" + settings, "\x02RESET"}, wire.ClosedCriticalStream},
		"MAX_PUSH_ID that rises":           {[]string{"\x00" + settings + string(frame(wire.FrameMaxPushID, "\x05")) + string(frame(wire.FrameMaxPushID, "\x06"))}, 0},
		"MAX_PUSH_ID that falls":           {[]string{"\x00" + settings + string(frame(wire.FrameMaxPushID, "\x05")) + string(frame(wire.FrameMaxPushID, "\x04"))}, wire.IDError},
		"MAX_PUSH_ID and more":             {[]string{"\x00" + settings + string(frame(wire.FrameMaxPushID, "\x05\x06"))}, wire.FrameError},
		"MAX_PUSH_ID of nothing":           {[]string{"\x00" + settings + string(frame(wire.FrameMaxPushID, ""))}, wire.FrameError},
		"GOAWAY that falls":                {[]string{"\x00" + settings + string(frame(wire.FrameGoAway, "\x05")) + string(frame(wire.FrameGoAway, "\x04"))}, 0},
		"GOAWAY that rises":                {[]string{"\x00" + settings + string(frame(wire.FrameGoAway, "\x04")) + string(frame(wire.FrameGoAway, "\x05"))}, wire.IDError},
		"CANCEL_PUSH of no push":           {[]string{"\x00" + settings + string(frame(wire.FrameCancelPush, "\x00"))}, wire.IDError},
		"priority of a request":            {[]string{"\x00" + settings + string(frame(wire.FramePriorityUpdate, "\x04u=1"))}, 0},
		"priority of no request":           {[]string{"\x00" + settings + string(frame(wire.FramePriorityUpdate, "\x03u=1"))}, wire.IDError},
		"priority of a push":               {[]string{"\x00" + settings + string(frame(wire.FramePriorityUpdatePush, "\x00u=1"))}, wire.IDError},
		"a table of no bytes":              {[]string{"\x00" + settings, "\x02\x20"}, 0},
		"a table beyond the limit":         {[]string{"\x00" + settings, "\x02\x3f\xe1\x1f"}, wire.EncoderStreamError},
		"an entry of a table":              {[]string{"\x00" + settings, "\x02\xc0\x01a"}, wire.EncoderStreamError},
		"a cancelled stream":               {[]string{"\x00" + settings, "\x03\x44\x7f\x81\x01"}, 0},
		"an increment of 0":                {[]string{"\x00" + settings, "\x03\x00"}, wire.DecoderStreamError},
		"an increment":                     {[]string{"\x00" + settings, "\x03\x01"}, wire.DecoderStreamError},
		"an acknowledgement of no section": {[]string{"\x00" + settings, "\x03\x84"}, wire.DecoderStreamError},
		"a stream that ends at once":       {[]string{"END", "\x00" + settings}, 0},
		"a stream that is reset at once":   {[]string{"RESET", "\x00" + settings}, 0},
		"grease in the settings":           {[]string{"\x00" + string(frame(wire.FrameSettings, "\x21\x05"))}, 0},
		"settings that are cut":            {[]string{"\x00" + string(frame(wire.FrameSettings, "\x06"))}, wire.FrameError},
		"settings of HTTP/2, 3":            {[]string{"\x00" + string(frame(wire.FrameSettings, "\x03\x00"))}, wire.SettingsError},
		"settings of HTTP/2, 4":            {[]string{"\x00" + string(frame(wire.FrameSettings, "\x04\x00"))}, wire.SettingsError},
		"settings of HTTP/2, 5":            {[]string{"\x00" + string(frame(wire.FrameSettings, "\x05\x00"))}, wire.SettingsError},
		"a setting twice":                  {[]string{"\x00" + string(frame(wire.FrameSettings, "\x06\x05\x06\x05"))}, wire.SettingsError},
		"grease on the control stream":     {[]string{"\x00" + settings + string(frame(0x21, "grease"))}, 0},
		"a head":                           {[]string{"\x00" + settings + string(frame(wire.FrameHeaders, "x"))}, wire.FrameUnexpected},
		"a push promise":                   {[]string{"\x00" + settings + string(frame(wire.FramePushPromise, "\x00"))}, wire.FrameUnexpected},
		"a frame of HTTP/2":                {[]string{"\x00" + settings + string(frame(0x06, "12345678"))}, wire.FrameUnexpected},
		"GOAWAY and more":                  {[]string{"\x00" + settings + string(frame(wire.FrameGoAway, "\x05\x06"))}, wire.FrameError},
		"CANCEL_PUSH and more":             {[]string{"\x00" + settings + string(frame(wire.FrameCancelPush, "\x05\x06"))}, wire.FrameError},
		"a control that ends in a frame":   {[]string{"\x00" + settings + string(wire.AppendHeader(nil, wire.FrameGoAway, 9)) + "END"}, wire.ClosedCriticalStream},
		"two encoder streams":              {[]string{"\x00" + settings, "\x02", "\x02"}, wire.StreamCreationError},
		"two decoder streams":              {[]string{"\x00" + settings, "\x03", "\x03"}, wire.StreamCreationError},
		"an encoder stream that ends":      {[]string{"\x00" + settings, "\x02END"}, wire.ClosedCriticalStream},
		"a decoder stream that ends":       {[]string{"\x00" + settings, "\x03END"}, wire.ClosedCriticalStream},
		"a control that ends":              {[]string{"\x00" + settings + "END"}, wire.ClosedCriticalStream},
	} {
		t.Run(name, func(t *testing.T) {
			conn := w.raw()
			defer conn.CloseWithError(0x100, "")
			for _, text := range c.streams {
				s, err := conn.OpenUniStream()
				if err != nil {
					t.Fatal(err)
				}
				if kept, is := strings.CutSuffix(text, "RESET"); is {
					s.Write([]byte(kept))
					io.ReadAll(ask(t, conn, plain)) // a reset takes back what weir has not read yet: it has when it answers something later
					s.CancelWrite(0)
				} else if n := len(text) - len("END"); n >= 0 && text[n:] == "END" {
					s.Write([]byte(text[:n]))
					s.Close()
				} else {
					s.Write([]byte(text))
				}
			}
			wait := 5 * time.Second
			if c.want == 0 {
				wait = 500 * time.Millisecond // for what must not come
			}
			select {
			case <-conn.Context().Done():
				var e *quicgo.ApplicationError
				if err := context.Cause(conn.Context()); !errors.As(err, &e) || wire.Code(e.ErrorCode) != c.want {
					t.Errorf("ended by %v, want %#x", err, c.want)
				}
			case <-time.After(wait):
				if c.want != 0 {
					t.Errorf("went on, want %#x", c.want)
				}
			}
		})
	}
}

// A client that opens streams only to reset them is cut off, and others feel nothing.
func TestRapidReset(t *testing.T) {
	w := newWorld(t)
	conn := w.raw()
	n := 0
	for ; n < 20_000; n++ {
		s, err := conn.OpenStream()
		if err != nil {
			if conn.Context().Err() != nil {
				break
			}
			time.Sleep(time.Millisecond)
			continue
		}
		s.Write(request("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		s.CancelWrite(quicgo.StreamErrorCode(wire.RequestCancelled))
		s.CancelRead(quicgo.StreamErrorCode(wire.RequestCancelled))
	}
	var e *quicgo.ApplicationError
	if err := context.Cause(conn.Context()); !errors.As(err, &e) || wire.Code(e.ErrorCode) != wire.ExcessiveLoad {
		t.Errorf("after %d streams: %v", n, err)
	}
	other := w.raw()
	defer other.CloseWithError(0x100, "")
	s, _ := other.OpenStream()
	s.Write(request(plain))
	s.Close()
	s.SetReadDeadline(time.Now().Add(5 * time.Second))
	if answer, err := io.ReadAll(s); err != nil || len(answer) == 0 {
		t.Errorf("another client: %v", err)
	}
}
