package http3

import "github.com/weir-proxy/weir/wire/http2"

// Code says why a stream or a connection ends (RFC 9114 section 8.1, RFC 9204 section 6).
type Code uint64

const (
	NoError              Code = 0x100
	GeneralProtocolError Code = 0x101
	InternalError        Code = 0x102
	StreamCreationError  Code = 0x103
	ClosedCriticalStream Code = 0x104
	FrameUnexpected      Code = 0x105
	FrameError           Code = 0x106
	ExcessiveLoad        Code = 0x107
	IDError              Code = 0x108
	SettingsError        Code = 0x109
	MissingSettings      Code = 0x10a
	RequestRejected      Code = 0x10b
	RequestCancelled     Code = 0x10c
	RequestIncomplete    Code = 0x10d
	MessageError         Code = 0x10e
	ConnectError         Code = 0x10f
	VersionFallback      Code = 0x110
	DecompressionFailed  Code = 0x200
	EncoderStreamError   Code = 0x201
	DecoderStreamError   Code = 0x202
)

var names = map[Code]string{NoError: "no_error", GeneralProtocolError: "general_protocol_error", InternalError: "internal_error",
	StreamCreationError: "stream_creation_error", ClosedCriticalStream: "closed_critical_stream", FrameUnexpected: "frame_unexpected", FrameError: "frame_error",
	ExcessiveLoad: "excessive_load", IDError: "id_error", SettingsError: "settings_error", MissingSettings: "missing_settings", RequestRejected: "request_rejected",
	RequestCancelled: "request_cancelled", RequestIncomplete: "request_incomplete", MessageError: "message_error", ConnectError: "connect_error",
	VersionFallback: "version_fallback", DecompressionFailed: "qpack_decompression_failed",
	EncoderStreamError: "qpack_encoder_stream_error", DecoderStreamError: "qpack_decoder_stream_error"}

// String is the code's name in the words of logs.
func (c Code) String() string {
	if name := names[c]; name != "" {
		return name
	}
	return "unknown_error"
}

// codes are those that say here what theirs say in HTTP/2.
var codes = map[http2.Code]Code{http2.NoError: NoError, http2.ProtocolError: MessageError, http2.InternalError: InternalError,
	http2.RefusedStream: RequestRejected, http2.Cancel: RequestCancelled, http2.EnhanceYourCalm: ExcessiveLoad, http2.ConnectError: ConnectError}

// CodeOf is what a code of HTTP/2 is called here.
func CodeOf(c http2.Code) Code {
	if code, known := codes[c]; known {
		return code
	}
	return InternalError
}
