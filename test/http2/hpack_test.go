package http2

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	wire "github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// story is one in the format of http2jp/hpack-test-case: header sections that one connection carries in this order.
type story struct {
	Description string      `json:"description"`
	Cases       []storyCase `json:"cases"`
}

type storyCase struct {
	Seqno     int                 `json:"seqno"`
	Wire      string              `json:"wire"`
	Headers   []map[string]string `json:"headers"` // of one field each
	TableSize *int                `json:"header_table_size,omitempty"`
}

// lines are the fields as "name: value".
func (c *storyCase) lines() (lines []string) {
	for _, field := range c.Headers {
		for name, value := range field {
			lines = append(lines, name+": "+value)
		}
	}
	return lines
}

// hpackPeers are encoders of others: nghttp2's, and python3-hpack's with Huffman and without.
var hpackPeers = []string{"nghttp2", "hyper", "hyper-plain"}

// TestHPACKStoriesOfOtherEncoders: what others write, with tables of any size that weir allows and changes of it, weir reads as it was meant.
func TestHPACKStoriesOfOtherEncoders(t *testing.T) {
	for _, peer := range hpackPeers {
		t.Run(peer, func(t *testing.T) {
			cases, size := 0, 0
			for _, s := range hpackPeer(t, "encode", peer, generatedStories()) {
				n := replay(t, &s)
				cases, size = cases+len(s.Cases), size+n
			}
			t.Logf("%d header sections, %d bytes", cases, size)
		})
	}
}

// replay decodes as a connection of weir's does, and lays each section out.
func replay(t *testing.T, s *story) (size int) {
	t.Helper()
	var got []string
	layout := &wire.Layout{}
	decoder := hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		got = append(got, f.Name+": "+f.Value)
		layout.Field(f.Name, f.Value)
	})
	for _, c := range s.Cases {
		block, err := hex.DecodeString(c.Wire)
		if err != nil {
			t.Fatal(err)
		}
		if c.TableSize != nil {
			decoder.SetAllowedMaxDynamicTableSize(uint32(*c.TableSize))
		}
		got = got[:0]
		layout.StartRequest(nil)
		if _, err = decoder.Write(block); err == nil {
			err = decoder.Close()
		}
		if want := c.lines(); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%s, case %d: %v\n%q, want\n%q", s.Description, c.Seqno, err, got, want)
		}
		if fault, malformed := layout.Request(&message.Request{}, true); fault != nil || malformed != "" {
			t.Fatalf("%s, case %d: %v %s of\n%q", s.Description, c.Seqno, fault, malformed, got)
		}
		size += len(block)
	}
	return size
}

// TestHPACKStoriesForOtherDecoders: what weir writes, requests to servers and answers to clients, others read as it was meant.
func TestHPACKStoriesForOtherDecoders(t *testing.T) {
	for name, write := range map[string]func(b []byte, c *storyCase) []byte{"requests": writeRequest, "answers": writeAnswer} {
		written, want := generatedStories(), [][]string(nil)
		for _, s := range written {
			for i := range s.Cases {
				c := &s.Cases[i]
				var block []byte
				if i == 0 {
					block = append(block, wire.NoTable)
				}
				c.Wire = hex.EncodeToString(write(block, c))
				want = append(want, c.lines())
				c.Headers = nil
			}
		}
		for _, peer := range []string{"nghttp2", "hyper"} {
			t.Run(name+" to "+peer, func(t *testing.T) {
				n := 0
				for _, s := range hpackPeer(t, "decode", peer, written) {
					for _, c := range s.Cases {
						if got := c.lines(); !slices.Equal(got, want[n]) {
							t.Fatalf("%s, case %d:\n%q, want\n%q", s.Description, c.Seqno, got, want[n])
						}
						n++
					}
				}
				if n != len(want) || n == 0 {
					t.Errorf("%d of %d sections came back", n, len(want))
				}
			})
		}
	}
}

// writeRequest has weir write the section, whose form of HTTP/1.1 is what weir keeps.
func writeRequest(b []byte, c *storyCase) []byte {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n", c.Headers[0][":method"], c.Headers[2][":path"], c.Headers[3][":authority"])
	return wire.AppendRequest(b, append([]byte(head), regularLines(c)...), wire.Target{Secure: c.Headers[1][":scheme"] == "https"})
}

// writeAnswer has weir write an answer with the same regular fields, and makes the case one of them.
func writeAnswer(b []byte, c *storyCase) []byte {
	status := []string{"200", "204", "404", "500", "103", "418", "599"}[c.Seqno%7]
	lines := regularLines(c)
	c.Headers = append([]map[string]string{{":status": status}}, c.Headers[4:]...)
	return wire.AppendResponse(b, append([]byte("HTTP/1.1 "+status+" Word\r\n"), lines...))
}

func regularLines(c *storyCase) []byte {
	var b bytes.Buffer
	for _, line := range c.lines()[4:] {
		name, value, _ := strings.Cut(line, ": ")
		b.WriteString(strings.ToUpper(name[:1]) + name[1:] + ": " + value + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// hpackPeer has another implementation write the wires or the headers.
func hpackPeer(t *testing.T, verb, peer string, stories []story) (result []story) {
	t.Helper()
	in, err := json.Marshal(stories)
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("testdata/stories.py")
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command("/usr/bin/python3", script, verb, peer) // Debian's, which has Debian's library
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v (it is installed with: make setup)\n%s", err, said.Bytes())
	}
	if err := json.Unmarshal(out, &result); err != nil || len(result) != len(stories) {
		t.Fatalf("%d stories of %d came back, %v", len(result), len(stories), err)
	}
	return result
}

// generatedStories are requests of which much is as in those before, pseudo-header fields in weir's order: one story for each size of the table, and one where it changes all the time.
func generatedStories() (stories []story) {
	r := mathrand.New(mathrand.NewPCG(7541, 9113))
	sizes := []int{0, 1, 64, 256, 1024, 4096}
	for _, size := range sizes {
		stories = append(stories, generatedStory(r, fmt.Sprint("table of ", size), func(i int) *int {
			if i == 0 {
				return &size
			}
			return nil
		}))
	}
	return append(stories, generatedStory(r, "table that changes", func(int) *int { return &sizes[r.IntN(len(sizes))] }))
}

func generatedStory(r *mathrand.Rand, description string, size func(i int) *int) story {
	s := story{Description: description}
	for i := range 100 {
		c := storyCase{Seqno: i, TableSize: size(i)}
		add := func(name, value string) { c.Headers = append(c.Headers, map[string]string{name: value}) }
		add(":method", pick(r, "GET", "POST", "HEAD", "PUT", "PROPFIND"))
		add(":scheme", pick(r, "http", "https"))
		add(":path", pick(r, "/", "/index.html", "/?"+hex.EncodeToString([]byte(generatedValue(r, 40)))))
		add(":authority", pick(r, "example.com", "www.example.org:8443", "[2001:db8::1]"))
		for range r.IntN(20) {
			add(pick(r, "accept", "accept-encoding", "authorization", "user-agent", "referer", "via", "x", "x-forwarded-for", "if-none-match", "x-"+strings.Repeat("long-", 30)+"name"),
				generatedValue(r, 8<<r.IntN(8)))
		}
		s.Cases = append(s.Cases, c)
	}
	return s
}

// generatedValue is one of a few that come again and again, or any: empty, of bytes that Huffman makes short or long, of several languages.
func generatedValue(r *mathrand.Rand, most int) string {
	if r.IntN(2) == 0 {
		return pick(r, "gzip, deflate", "*/*", "Mozilla/5.0 (X11; Linux x86_64)", "", "0", "no-cache", strings.Repeat("e", 126), strings.Repeat("~", 127), strings.Repeat("e", 300))
	}
	var b strings.Builder
	for range r.IntN(most) {
		switch r.IntN(12) {
		case 0:
			b.WriteRune(rune(0xa1 + r.IntN(0x2000)))
		default:
			b.WriteByte(byte('!' + r.IntN('~'-'!'+1)))
		}
	}
	return b.String()
}

func pick(r *mathrand.Rand, of ...string) string { return of[r.IntN(len(of))] }
