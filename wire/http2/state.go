package http2

// The states of a stream, RFC 9113 section 5.1, without those of pushed streams, which weir neither sends nor takes:
//
//	                  +--------+
//	                  |  idle  |
//	                  +--------+
//	                      |
//	                      | send H / recv H
//	                      v
//	                  +--------+
//	          recv ES |        | send ES
//	         ,--------|  open  |--------.
//	        v         |        |         v
//	  +----------+    +--------+    +----------+
//	  |   half-  |        |         |   half-  |
//	  |  closed  |        | send R  |  closed  |
//	  | (remote) |        | recv R  | (local)  |
//	  +----------+        |         +----------+
//	        |             v              |
//	        | send ES +--------+ recv ES |
//	        | send R  | closed | send R  |
//	        | recv R  |        | recv R  |
//	        '-------->+--------+<--------'
//
// H is HEADERS, ES the END_STREAM flag, which may be on HEADERS or DATA, R is RST_STREAM.

// State is the state of a stream.
type State uint8

const (
	StateIdle State = iota
	StateOpen
	StateHalfClosedRemote // the peer has ended its side
	StateHalfClosedLocal  // weir has ended its side
	StateClosed
	stateCount
)

var states = [stateCount]string{"idle", "open", "half_closed_remote", "half_closed_local", "closed"}

func (s State) String() string { return states[s] }

// Event is what happens to a stream.
type Event uint8

const (
	RecvHeaders Event = iota
	RecvData
	RecvEnd
	RecvReset
	RecvWindow
	SendHeaders
	SendData
	SendEnd
	SendReset
	eventCount
)

var events = [eventCount]string{"recv_headers", "recv_data", "recv_end", "recv_reset", "recv_window", "send_headers", "send_data", "send_end",
	"send_reset"}

func (e Event) String() string { return events[e] }

// verdict is what becomes of an event: the state that follows, or why it may not be.
type verdict struct {
	next State
	code Code // NoError: the event is good
	conn bool // what is wrong ends the connection
	bug  bool // weir must never do this
}

func to(s State) verdict       { return verdict{next: s} }
func stays(s State) verdict    { return verdict{next: s} }
func streamErr(c Code) verdict { return verdict{next: StateClosed, code: c} }
func connErr(c Code) verdict   { return verdict{next: StateClosed, code: c, conn: true} }
func never() verdict           { return verdict{bug: true} }

// transitions is the diagram as a table, with what section 5.1 says of what is not in it. A stream that weir has forgotten is closed; whether what still
// comes for it is tolerated, because weir reset it a moment ago, is the connection's to know.
var transitions = [stateCount][eventCount]verdict{
	StateIdle: {
		RecvHeaders: to(StateOpen),
		// "Receiving any frame other than HEADERS or PRIORITY on a stream in this state MUST be treated as a connection error
		// (Section 5.4.1) of type PROTOCOL_ERROR."
		RecvData: connErr(ProtocolError), RecvEnd: connErr(ProtocolError), RecvReset: connErr(ProtocolError), RecvWindow: connErr(ProtocolError),
		SendHeaders: to(StateOpen), SendData: never(), SendEnd: never(), SendReset: never(),
	},
	StateOpen: {
		RecvHeaders: stays(StateOpen), RecvData: stays(StateOpen), RecvEnd: to(StateHalfClosedRemote), RecvReset: to(StateClosed), RecvWindow: stays(StateOpen),
		SendHeaders: stays(StateOpen), SendData: stays(StateOpen), SendEnd: to(StateHalfClosedLocal), SendReset: to(StateClosed),
	},
	StateHalfClosedRemote: {
		// "If an endpoint receives additional frames, other than WINDOW_UPDATE, PRIORITY, or RST_STREAM, for a stream that is in this state,
		// it MUST respond with a stream error (Section 5.4.2) of type STREAM_CLOSED."
		RecvHeaders: streamErr(StreamClosed), RecvData: streamErr(StreamClosed), RecvEnd: streamErr(StreamClosed),
		RecvReset: to(StateClosed), RecvWindow: stays(StateHalfClosedRemote),
		SendHeaders: stays(StateHalfClosedRemote), SendData: stays(StateHalfClosedRemote), SendEnd: to(StateClosed), SendReset: to(StateClosed),
	},
	StateHalfClosedLocal: {
		RecvHeaders: stays(StateHalfClosedLocal), RecvData: stays(StateHalfClosedLocal), RecvEnd: to(StateClosed), RecvReset: to(StateClosed),
		RecvWindow:  stays(StateHalfClosedLocal),
		SendHeaders: never(), SendData: never(), SendEnd: never(), SendReset: to(StateClosed),
	},
	StateClosed: {
		// "An endpoint that receives any frames other than PRIORITY after receiving a frame with the END_STREAM flag set … MUST treat that as a
		// connection error (Section 5.4.1) of type STREAM_CLOSED", with WINDOW_UPDATE and RST_STREAM excepted for a short time.
		RecvHeaders: connErr(StreamClosed), RecvData: connErr(StreamClosed), RecvEnd: connErr(StreamClosed),
		RecvReset: stays(StateClosed), RecvWindow: stays(StateClosed),
		SendHeaders: never(), SendData: never(), SendEnd: never(), SendReset: stays(StateClosed),
	},
}

// Refusal says why an event may not be.
type Refusal struct {
	Code Code
	Conn bool // it ends the connection
	Why  string
}

// On moves s by e. A refusal is nil for what is good; the state is left as it is then. What only weir could do wrong is a bug.
func (s *State) On(e Event) *Refusal {
	v := &transitions[*s][e]
	if v.bug {
		panic("BUG: " + e.String() + " on a stream that is " + s.String())
	}
	if v.code != NoError {
		return &Refusal{v.code, v.conn, e.String() + "_when_" + s.String()}
	}
	*s = v.next
	return nil
}

// MaySend and MayReceive report whether content may still go either way.
func (s State) MaySend() bool    { return s == StateOpen || s == StateHalfClosedRemote }
func (s State) MayReceive() bool { return s == StateOpen || s == StateHalfClosedLocal }
