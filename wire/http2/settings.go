package http2

import "encoding/binary"

// SettingID is the identifier of a setting (RFC 9113 section 6.5.2).
type SettingID uint16

const (
	SettingHeaderTableSize      SettingID = 0x1
	SettingEnablePush           SettingID = 0x2
	SettingMaxConcurrentStreams SettingID = 0x3
	SettingInitialWindowSize    SettingID = 0x4
	SettingMaxFrameSize         SettingID = 0x5
	SettingMaxHeaderListSize    SettingID = 0x6
	SettingEnableConnect        SettingID = 0x8 // RFC 8441 section 3
	SettingNoRFC7540Priorities  SettingID = 0x9 // RFC 9218 section 2.1
)

// Bounds and defaults of the standard.
const (
	DefaultWindow   = 65535
	MaxWindow       = 1<<31 - 1
	DefaultMaxFrame = 16384
	MaxMaxFrame     = 1<<24 - 1
)

// Settings are what one end of a connection has announced.
type Settings struct {
	MaxStreams    uint32
	InitialWindow int32
	MaxFrame      int
	HeaderList    uint32 // advisory; 0: not said
	Connect       bool   // extended CONNECT is understood
	NoPush        bool
	NoPriorities  bool // RFC 7540's
}

// InitialSettings are what holds before anything is announced.
func InitialSettings() Settings {
	return Settings{MaxStreams: 1<<32 - 1, InitialWindow: DefaultWindow, MaxFrame: DefaultMaxFrame}
}

// Take applies the payload of a SETTINGS frame. fromServer says who sent it.
func (s *Settings) Take(payload []byte, fromServer bool) *ConnError {
	for ; len(payload) >= 6; payload = payload[6:] {
		v := binary.BigEndian.Uint32(payload[2:])
		switch SettingID(binary.BigEndian.Uint16(payload)) {
		case SettingEnablePush:
			// Section 6.5.2: "Any value other than 0 or 1 MUST be treated as a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
			// "A client MUST treat receipt of a SETTINGS frame with SETTINGS_ENABLE_PUSH set to 1 as a connection error".
			if v > 1 || v == 1 && fromServer {
				return &ConnError{ProtocolError, "setting_enable_push"}
			}
			s.NoPush = v == 0
		case SettingMaxConcurrentStreams:
			s.MaxStreams = v
		case SettingInitialWindowSize:
			// "Values above the maximum flow-control window size of 2^31-1 MUST be treated as a connection error of type FLOW_CONTROL_ERROR."
			if v > MaxWindow {
				return &ConnError{FlowControlError, "setting_initial_window"}
			}
			s.InitialWindow = int32(v)
		case SettingMaxFrameSize:
			// "Values outside this range MUST be treated as a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
			if v < DefaultMaxFrame || v > MaxMaxFrame {
				return &ConnError{ProtocolError, "setting_max_frame"}
			}
			s.MaxFrame = int(v)
		case SettingMaxHeaderListSize:
			s.HeaderList = v
		case SettingEnableConnect:
			// RFC 8441 section 3: "A sender MUST NOT send a SETTINGS_ENABLE_CONNECT_PROTOCOL parameter with the value of 0 after
			// previously sending a value of 1."
			if v > 1 || v == 0 && s.Connect {
				return &ConnError{ProtocolError, "setting_enable_connect"}
			}
			s.Connect = v == 1
		case SettingNoRFC7540Priorities:
			// RFC 9218 section 2.1: "Any value other than 0 or 1 MUST be treated as a connection error of type PROTOCOL_ERROR".
			if v > 1 {
				return &ConnError{ProtocolError, "setting_no_priorities"}
			}
			s.NoPriorities = v == 1
		}
	}
	return nil
}

// Setting is one pair to be sent.
type Setting struct {
	ID    SettingID
	Value uint32
}

// AppendSettings appends a SETTINGS frame.
func AppendSettings(dst []byte, settings ...Setting) []byte {
	dst = AppendHeader(dst, 6*len(settings), FrameSettings, 0, 0)
	for _, s := range settings {
		dst = binary.BigEndian.AppendUint16(dst, uint16(s.ID))
		dst = binary.BigEndian.AppendUint32(dst, s.Value)
	}
	return dst
}

// AppendSettingsAck appends the acknowledgement of a SETTINGS frame.
func AppendSettingsAck(dst []byte) []byte { return AppendHeader(dst, 0, FrameSettings, FlagAck, 0) }

// Preface is what a client begins with (section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
