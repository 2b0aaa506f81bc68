package exchange

import (
	"io"
	"os"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// keptBody is a request's body, or its beginning, that was taken from the client before a server was asked for. nil is none.
type keptBody struct {
	buf   []byte
	n     int      // bytes in buf
	file  *os.File // what did not fit, nil for nothing
	size  int64    // bytes in file
	tail  []byte   // what the disk did not take
	whole bool     // nothing is still to come
}

// isWhole reports whether all of the body is kept, so that it can be sent as often as needed and the client is not involved.
func (k *keptBody) isWhole() bool { return k != nil && k.whole }

// length is how much is kept.
func (k *keptBody) length() int64 { return int64(k.n) + k.size + int64(len(k.tail)) }

// behind is how much does not go out with the head.
func (k *keptBody) behind() int64 { return k.size + int64(len(k.tail)) }

// keptLength reports whether the server is told the length of a body that is kept: all of it is there, and nothing follows it.
func (x *Exchange) keptLength() bool {
	return x.request.kept.isWhole() && len(x.request.body.trailers) == 0
}

// taken is how many bytes of a body of known length the client has delivered before any upload.
func (x *Exchange) taken() int64 {
	if x.request.kept != nil {
		return x.request.kept.length()
	}
	return int64(x.request.body.have)
}

// keepBody takes the request's body before a server is asked for: into memory up to the route's threshold, beyond it into a file. What is known to be
// larger than both is not kept at all, and what turns out to be goes on as it comes.
func (x *Exchange) keepBody() Stage {
	data, whole := x.inBuffer()
	size, spill := x.keepMost()
	most := size + spill
	if whole || x.request.body.framing == message.FramingLength && x.request.body.length > most {
		return Pick
	}
	if x.request.head.Expect && len(data) == 0 && !x.interimToClient(goOn) {
		return x.abandon(reason.ClientCut)
	}
	x.request.head.Expect = false
	k := &keptBody{}
	x.request.kept = k
	if x.request.body.framing == message.FramingLength {
		size = min(size, x.request.body.length)
	}
	k.buf = x.at.loop.Buffer(int(max(min(size, engine.Buffer16K), int64(len(data)))))
	k.n = copy(k.buf, data)
	for !k.whole && k.length() < most && k.tail == nil && !x.mustPassOn(k, spill) {
		if why, fault := x.keepMore(k, most-k.length()); why != reason.Done {
			x.attempt.up.why, x.attempt.up.fault = why, fault
			return x.uploadFailed()
		}
	}
	x.request.body.relayed = k.whole
	return Pick
}

// mustPassOn reports whether what comes of the body goes on as it comes, because the loop holds much for its peers and there is no file for it.
func (x *Exchange) mustPassOn(k *keptBody, spill int64) bool {
	return spill == 0 && k.n == len(k.buf) && !x.wantsUpgrade() && x.at.loop.IsCrowded()
}

// keepMost is how much of a body is kept in memory, and how much more in a file.
func (x *Exchange) keepMost() (memory, file int64) {
	if b := x.request.route.Buffer; b != nil {
		memory, file = b.Request, b.Spill
	}
	if x.wantsUpgrade() {
		memory = max(memory, upgradeBodyMost)
	}
	return memory, file
}

// keepMore reads a piece of the body, of at most most bytes, and puts it where there is room.
func (x *Exchange) keepMore(k *keptBody, most int64) (reason.Reason, *http1.Fault) {
	memory, _ := x.keepMost()
	if _, spill := x.keepMost(); k.n == len(k.buf) && int64(k.n) < memory && (spill == 0 || !x.at.loop.IsCrowded()) {
		x.growKept(k, memory)
	}
	room := k.buf[k.n:]
	inMemory := len(room) > 0 && int64(k.n) < memory
	if !inMemory {
		room = x.at.loop.Buffer(engine.Buffer64K)
		defer x.at.loop.Release(room[:cap(room)])
	} else {
		most = min(most, memory-int64(k.n))
	}
	if x.request.body.framing == message.FramingLength {
		most = min(most, x.request.body.length-k.length())
	}
	room = room[:min(int64(len(room)), most)]
	x.client.stream.SetReadTimeout(x.keepTimeout(k.length()))
	n, err := x.client.stream.Read(room)
	x.received += int64(n + x.client.stream.Around())
	if err != nil && err != io.EOF {
		fault, _ := err.(*http1.Fault)
		return bodyFailure(err), fault
	}
	x.moves()
	k.whole = err == io.EOF || x.client.stream.Ended()
	x.took(n, k.whole)
	if limit := x.request.route.BodyLimit; limit > 0 && x.announced() > limit {
		return reason.ClientBodyTooLarge, http1.FaultBodyTooLarge
	}
	if inMemory {
		k.n += n
		return reason.Done, nil
	}
	x.toFile(k, room[:n])
	return reason.Done, nil
}

// growKept moves the body to a larger buffer.
func (x *Exchange) growKept(k *keptBody, memory int64) {
	b := x.at.loop.Buffer(int(min(int64(k.n)*4, memory)))
	copy(b, k.buf[:k.n])
	x.at.loop.Release(k.buf)
	k.buf = b
}

// toFile puts bytes behind what is in the file. Where the disk does not take them they are kept, and nothing more is.
func (x *Exchange) toFile(k *keptBody, b []byte) {
	if k.file == nil {
		k.file = x.spillFile()
	}
	if k.file == nil {
		k.tail = append([]byte(nil), b...)
		return
	}
	written, file, at := os.ErrInvalid, k.file, k.size
	err := x.at.loop.Block(x.spillDisk(), nil, func() { _, written = file.WriteAt(b, at) }, nil)
	if err != nil || written != nil { // a write that hangs may still come, behind what is read of the file
		x.at.Stats.SpillsFailed++
		k.tail = append([]byte(nil), b...)
		return
	}
	k.size += int64(len(b))
}

// dropKept ends the keeping.
func (x *Exchange) dropKept() {
	k := x.request.kept
	x.request.kept = nil
	x.at.loop.Release(k.buf)
	if k.file != nil {
		x.closeFile(k.file)
	}
}

// sendKept sends what did not go with the head.
func (u *upload) sendKept(k *keptBody) reason.Reason {
	x, s := u.x, u.conn.Stream
	for sent := int64(0); sent < k.size; {
		u.conn.SetWriteTimeout(x.answerPause())
		n, err := s.SendFile(x.spillDisk(), k.file, sent, min(k.size-sent, splicePiece))
		sent += n
		x.attempt.load.BytesSent += uint64(n)
		if err != nil {
			return reason.SendCut
		}
	}
	u.conn.SetWriteTimeout(x.answerPause())
	if len(k.tail) > 0 {
		if _, err := s.Write(k.tail); err != nil {
			return reason.SendCut
		}
		x.attempt.load.BytesSent += uint64(len(k.tail))
	}
	u.conn.SetReadTimeout(x.answerPause())
	if k.whole {
		return u.end()
	}
	return reason.Done
}
