package http3

// This file checks the two streams of QPACK (RFC 9204 section 4.2). weir announces no dynamic table and uses none, so there is hardly anything that a peer may say on them.

// MayEncode reports whether a byte may stand on a peer's encoder stream. RFC 9204 section 4.3.1: "The decoder MUST treat a new dynamic table capacity value that exceeds this limit as a
// connection error of type QPACK_ENCODER_STREAM_ERROR." The limit is 0, so that a capacity of 0 is all that there is, and fits a byte. Section 3.2.2: "It is an error if the encoder attempts to
// add an entry that is larger than the dynamic table capacity; the decoder MUST treat this as a connection error of type QPACK_ENCODER_STREAM_ERROR."
func MayEncode(b byte) bool { return b == 0x20 }

// DecoderStream reads a peer's decoder stream. The zero DecoderStream is at its start.
type DecoderStream struct{ more int }

// Take reports whether the next byte may stand on the stream. Stream Cancellation is all that may: section 4.4.1: a Section Acknowledgment for a stream without a section that refers to the
// table "MUST be treated as a connection error of type QPACK_DECODER_STREAM_ERROR"; section 4.4.3: "An encoder that receives an Increment field value equal to zero, or one that increases
// the Known Received Count beyond what the encoder has sent, MUST treat this as a connection error of type QPACK_DECODER_STREAM_ERROR."
func (d *DecoderStream) Take(b byte) bool {
	switch {
	case d.more > 0: // of an integer of several bytes (section 4.1.1)
		if d.more--; b&0x80 == 0 {
			d.more = 0
		} else if d.more == 0 {
			return false
		}
	case b&0xc0 != 0x40:
		return false
	case b&0x3f == 0x3f:
		d.more = 9
	}
	return true
}
