package http2

// place says on which streams a frame may come.
type place uint8

const (
	anyStream place = iota
	onStream        // any but 0
	onConn          // 0 alone
)

// rule is what RFC 9113 section 6 says of the header of a frame.
type rule struct {
	name     string
	place    place
	least    int  // length of the payload
	most     int  // 0: as long as a frame may be
	multiple int  // the length is one of; 0: of nothing
	soft     bool // a wrong length ends the stream and not the connection
}

// rules has one row per frame type. Types without a row are ignored.
var rules = [...]rule{
	FrameData:           {name: "data", place: onStream},
	FrameHeaders:        {name: "headers", place: onStream},
	FramePriority:       {name: "priority", place: onStream, least: 5, most: 5, soft: true},
	FrameRSTStream:      {name: "rst_stream", place: onStream, least: 4, most: 4},
	FrameSettings:       {name: "settings", place: onConn, multiple: 6},
	FramePushPromise:    {name: "push_promise", place: onStream, least: 4},
	FramePing:           {name: "ping", place: onConn, least: 8, most: 8},
	FrameGoAway:         {name: "goaway", place: onConn, least: 8},
	FrameWindowUpdate:   {name: "window_update", place: anyStream, least: 4, most: 4},
	FrameContinuation:   {name: "continuation", place: onStream},
	FramePriorityUpdate: {name: "priority_update", place: onConn, least: 4},
}

// IsKnown reports whether weir has a use for frames of the type.
func (t FrameType) IsKnown() bool { return int(t) < len(rules) && rules[t].name != "" }

// String is the frame's name in the words of logs and metrics.
func (t FrameType) String() string {
	if t.IsKnown() {
		return rules[t].name
	}
	return "unknown"
}

// CheckHeader holds a frame's header against its rule. soft says that only the stream has to end.
func CheckHeader(h Header) (err *ConnError, soft bool) {
	if !h.Type.IsKnown() {
		return nil, false
	}
	r := &rules[h.Type]
	switch {
	case r.place == onStream && h.Stream == 0, r.place == onConn && h.Stream != 0:
		return &ConnError{ProtocolError, r.name + "_on_wrong_stream"}, false
	case h.Length < r.least, r.most > 0 && h.Length > r.most, r.multiple > 0 && h.Length%r.multiple != 0:
		return &ConnError{FrameSizeError, r.name + "_length"}, r.soft
	case h.Type == FrameSettings && h.Flags&FlagAck != 0 && h.Length != 0:
		// Section 6.5: "Receipt of a SETTINGS frame with the ACK flag set and a length field value other than 0 MUST be treated as a
		// connection error of type FRAME_SIZE_ERROR."
		return &ConnError{FrameSizeError, "settings_ack_length"}, false
	}
	return nil, false
}
