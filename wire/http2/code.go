package http2

import "errors"

// Code is an error code (RFC 9113 section 7).
type Code uint32

const (
	NoError Code = iota
	ProtocolError
	InternalError
	FlowControlError
	SettingsTimeout
	StreamClosed
	FrameSizeError
	RefusedStream
	Cancel
	CompressionError
	ConnectError
	EnhanceYourCalm
	InadequateSecurity
	HTTP11Required
	codeCount
)

var codes = [codeCount]string{"no_error", "protocol_error", "internal_error", "flow_control_error", "settings_timeout", "stream_closed",
	"frame_size_error", "refused_stream", "cancel", "compression_error", "connect_error", "enhance_your_calm", "inadequate_security",
	"http_1_1_required"}

// String is the code's name in the words of logs.
func (c Code) String() string {
	if c < codeCount {
		return codes[c]
	}
	return "unknown_error"
}

// ErrRefused says that the server has done nothing with the request of a stream, so that it may be sent anew, whatever it is.
var ErrRefused = errors.New("stream refused")

// ConnError ends a connection (RFC 9113 section 5.4.1). Why is one word for logs, which the peer is told too.
type ConnError struct {
	Code Code
	Why  string
}

func (e *ConnError) Error() string { return e.Code.String() + ": " + e.Why }
