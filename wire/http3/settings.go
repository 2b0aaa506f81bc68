package http3

// Settings (RFC 9114 section 7.2.4.1, RFC 9204 section 5, RFC 9220 section 5).
const (
	settingFieldSection    = 0x06
	settingExtendedConnect = 0x08
)

// AppendControl appends what the control stream begins with: its type and the settings. Those that are not sent have their defaults: no dynamic table.
func AppendControl(dst []byte, fieldSectionMost int, extendedConnect bool) []byte {
	var s []byte
	s = AppendVarint(AppendVarint(s, settingFieldSection), uint64(fieldSectionMost))
	if extendedConnect {
		s = AppendVarint(AppendVarint(s, settingExtendedConnect), 1)
	}
	dst = AppendVarint(dst, StreamControl)
	dst = AppendHeader(dst, FrameSettings, len(s))
	return append(dst, s...)
}

// Settings are what a peer has said of itself.
type Settings struct{ ExtendedConnect bool }

// ParseSettings reads the payload of a SETTINGS frame. code is not 0 when it is none: RFC 9114 section 7.2.4.1: settings of HTTP/2 "MUST NOT be sent, and
// their receipt MUST be treated as a connection error of type H3_SETTINGS_ERROR"; section 7.2.4: "The same setting identifier MUST NOT occur more than once".
func ParseSettings(b []byte) (s Settings, code Code) {
	seen := map[uint64]bool{}
	for len(b) > 0 {
		id, n := ParseVarint(b)
		value, m := ParseVarint(b[n:])
		if n == 0 || m == 0 {
			return s, FrameError
		}
		b = b[n+m:]
		if seen[id] || 0x02 <= id && id <= 0x05 {
			return s, SettingsError
		}
		seen[id] = true
		if id == settingExtendedConnect {
			if value > 1 {
				return s, SettingsError
			}
			s.ExtendedConnect = value == 1
		}
	}
	return s, 0
}
