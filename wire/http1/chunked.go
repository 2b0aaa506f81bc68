package http1

import "math/bits"

// Chunked decodes the chunked transfer coding (RFC 9112 section 7.1) from bytes as they come. The zero Chunked is at the start of
// a body. Extensions are checked and dropped; trailer lines are checked, and kept if that is asked for.
type Chunked struct {
	Left       int64  // data bytes of the running chunk that are to come
	Total      int64  // data bytes so far
	Collect    bool   // trailer lines are kept in Trailers
	Trailers   []byte // lines as they came, each with its end
	FromServer bool   // bounded in bytes alone: what a server streams may be any number of tiny chunks
	Tolerant   bool   // the server is known to write framing wrongly: spaces behind a chunk's size, and LF alone for CRLF
	Now        int64  // ms, any clock; the owner sets it before Decode, so that tiny chunks are forgiven with time
	state      chunkState
	digits     uint8
	extension  uint16 // bytes of the running chunk's extensions
	trailers   uint16 // bytes of the trailer section
	lines      uint8  // of it
	quoted     bool
	escaped    bool
	bare       bool  // ";" or "=" has not been followed by anything yet
	overhead   int32 // chunks smaller than tinyChunk and extensions, less one for each chunk that is larger, and tinySecond for each second
	since      int64 // ms: when overhead was last lowered by time
}

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkExtension
	chunkPad // spaces behind the size, where they are tolerated
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	chunkTrailer
	chunkEndLF
	chunkDone
)

// Bounds: reliability.md class 6.
const (
	maxExtension = 256 // of one chunk
	maxTrailers  = 8 << 10
)

// A program that writes byte by byte sends thousands of tiny chunks at once, and means no harm: each costs weir 50 ns, and what is read together goes on together. So tinyMost are
// free, and tinySecond more in each second, beyond those that are paid for by larger chunks. An extension counts as a tiny chunk for each extensionPart bytes.
const (
	tinyChunk     = 16
	tinyMost      = 64 << 10
	tinySecond    = 8 << 10
	extensionPart = 64
)

// IsDone reports whether the body, with its trailers, has ended.
func (c *Chunked) IsDone() bool { return c.state == chunkDone }

// InData reports whether the next Left bytes are data, so that they may be moved without looking at them; tell Skip how many were.
func (c *Chunked) InData() bool { return c.state == chunkData && c.Left > 0 }

// Announced is how large the body is at least: the data so far and what the running chunk's head has announced.
func (c *Chunked) Announced() int64 {
	if c.state == chunkData || c.state == chunkSizeLF || c.state == chunkExtension {
		return c.Total + c.Left
	}
	return c.Total
}

// Skip says that n data bytes passed outside of Decode; n is at most Left.
func (c *Chunked) Skip(n int64) {
	c.Left -= n
	c.Total += n
	if c.Left == 0 {
		c.state = chunkDataCR
	}
}

// Decode reads b and moves the data it finds to the front of b. It returns the number of data bytes and how many bytes of b it
// consumed: all of them, unless the body has ended. Trailer lines go to Trailers, or nowhere.
func (c *Chunked) Decode(b []byte) (data, consumed int, fault *Fault) {
	i, out := 0, 0
	if c.since == 0 {
		c.since = c.Now
	}
	for i < len(b) && c.state != chunkDone {
		if c.state == chunkData {
			n := int(min(int64(len(b)-i), c.Left))
			if out != i {
				copy(b[out:], b[i:i+n])
			}
			out += n
			i += n
			c.Skip(int64(n))
			continue
		}
		if c.state == chunkTrailer {
			n, fault := c.trailerByte(b[i:])
			if fault != nil {
				return out, i, fault
			}
			if c.Collect && c.state == chunkTrailer {
				c.Trailers = append(c.Trailers, b[i:i+n]...)
			}
			i += n
			continue
		}
		if fault := c.step(b[i]); fault != nil {
			return out, i, fault
		}
		i++
	}
	return out, i, nil
}

// step takes one byte of framing.
func (c *Chunked) step(b byte) *Fault {
	switch c.state {
	case chunkSize:
		return c.sizeByte(b)
	case chunkExtension:
		return c.extensionByte(b)
	case chunkPad:
		return c.padByte(b)
	case chunkSizeLF:
		if b != '\n' {
			return FaultLineEnd
		}
		c.startChunk()
	case chunkDataCR:
		if b == '\n' && c.Tolerant {
			c.state = chunkDataLF
			return c.step(b)
		}
		if b != '\r' {
			return FaultChunkEnd
		}
		c.state = chunkDataLF
	case chunkDataLF:
		if b != '\n' {
			return FaultChunkEnd
		}
		c.state, c.digits = chunkSize, 0
		if c.overhead > tinyMost && !c.FromServer && !c.forgive() {
			return FaultChunkSize
		}
	case chunkEndLF:
		if b != '\n' {
			return FaultLineEnd
		}
		c.state = chunkDone
	}
	return nil
}

// forgive lowers the overhead by the time that has passed, and reports whether it is within its bound.
func (c *Chunked) forgive() bool {
	if passed := c.Now - c.since; passed > 0 {
		c.overhead -= int32(min(passed*tinySecond/1000, tinyMost))
		c.since = c.Now
	}
	c.overhead = max(0, c.overhead)
	return c.overhead <= tinyMost
}

func (c *Chunked) startChunk() {
	c.overhead += int32(c.extension) / extensionPart
	c.extension = 0
	if c.Left == 0 {
		c.state = chunkTrailer
		c.digits = 0
		return
	}
	c.state = chunkData
	if c.Left < tinyChunk {
		c.overhead++
	} else if c.overhead > 0 {
		c.overhead--
	}
}

// sizeByte: "chunk-size = 1*HEXDIG". "A recipient MUST … anticipate potentially large hexadecimal numerals and prevent parsing
// errors due to integer conversion overflows": 15 digits at most.
func (c *Chunked) sizeByte(b byte) *Fault {
	if v := hexValue(b); v >= 0 {
		if c.digits == 0 {
			c.Left = 0
		}
		if c.digits++; c.digits > 15 {
			return FaultChunkSize
		}
		c.Left = c.Left<<4 | int64(v)
		return nil
	}
	switch {
	case c.digits == 0:
		return FaultChunkSize
	case b == '\r':
		c.state = chunkSizeLF
	case b == ';':
		c.state, c.bare = chunkExtension, false
		return c.extensionByte(b)
	case c.Tolerant:
		c.state = chunkPad
		return c.padByte(b)
	default:
		return FaultChunkSize
	}
	return nil
}

// padByte takes what may stand between a chunk's size and the end of its line for servers that pad the size.
func (c *Chunked) padByte(b byte) *Fault {
	switch b {
	case ' ', '\t':
		if c.extension++; c.extension > maxExtension {
			return FaultChunkSize
		}
	case '\r':
		c.state = chunkSizeLF
	case '\n':
		c.startChunk()
	case ';':
		c.state, c.bare = chunkExtension, false
		return c.extensionByte(b)
	default:
		return FaultChunkSize
	}
	return nil
}

// extensionByte: "chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )". "A recipient MUST ignore
// unrecognized chunk extensions."
func (c *Chunked) extensionByte(b byte) *Fault {
	if c.extension++; c.extension > maxExtension {
		return FaultChunkExt
	}
	switch {
	case c.escaped:
		c.escaped = false
	case c.quoted && b == '\\':
		c.escaped = true
	case b == '"':
		c.quoted = !c.quoted
		c.bare = false
	case c.quoted:
	case b == ';' || b == '=' || b == '\r':
		if c.bare {
			return FaultChunkExt
		}
		if b == '\r' {
			c.state = chunkSizeLF
			return nil
		}
		c.bare = true
	case chars[b]&isToken != 0:
		c.bare = false
	case b != ' ' && b != '\t':
		return FaultChunkExt
	}
	if chars[b]&isValue == 0 {
		return FaultChunkExt
	}
	return nil
}

// trailerByte reads the trailer section byte by byte, checking lines as in a head; digits counts where in the line it is: 0 at its
// start, 1 in the name, 2 in the value, 3 after CR.
func (c *Chunked) trailerByte(b []byte) (int, *Fault) {
	if c.trailers++; c.trailers > maxTrailers {
		return 0, FaultTrailer
	}
	ch := b[0]
	if ch == '\n' && c.Tolerant && (c.digits == 0 || c.digits == 2) {
		// Such lines do not go on as they came, and nobody relies on a trailer of such a server.
		c.Collect, c.Trailers = false, nil
		if c.digits == 0 {
			c.state = chunkDone
		}
		c.digits = 0
		return 1, nil
	}
	switch c.digits {
	case 0:
		switch {
		case ch == '\r':
			c.state = chunkEndLF
		case chars[ch]&isToken == 0:
			return 0, FaultTrailer
		case c.lines == maxTrailerLines && !c.FromServer:
			return 0, FaultTrailer
		default:
			c.lines = min(c.lines+1, maxTrailerLines)
			c.digits = 1
		}
	case 1:
		if ch == ':' {
			c.digits = 2
		} else if chars[ch]&isToken == 0 {
			return 0, FaultTrailer
		}
	case 2:
		if ch == '\r' {
			c.digits = 3
		} else if chars[ch]&isValue == 0 {
			return 0, FaultTrailer
		}
	case 3:
		if ch != '\n' {
			return 0, FaultLineEnd
		}
		c.digits = 0
	}
	return 1, nil
}

// AppendChunkHead appends the head of a chunk of n bytes.
func AppendChunkHead(dst []byte, n int) []byte {
	const hex = "0123456789abcdef"
	for shift := (max(bits.Len64(uint64(n)), 1) - 1) / 4 * 4; shift >= 0; shift -= 4 {
		dst = append(dst, hex[uint64(n)>>shift&15])
	}
	return append(dst, '\r', '\n')
}

// LastChunk ends a body without trailers.
const LastChunk = "0\r\n\r\n"
