package exchange

import (
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/http1"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/transport"
)

// attemptState is the server that is asked, and its side of the messages. An exchange has one attempt after another.
type attemptState struct {
	server  *pool.Server
	load    *pool.Load
	conn    *transport.Conn
	own     http1.Server // conn's stream, where it speaks HTTP/1.1
	out     []byte       // the head, and what fits of the body, as sent to the server; later what weir itself says to the client
	ownPort uint16       // of the connection, for the log

	tried      pool.Tried
	place      attempt.Place
	stay       stay
	count      int
	stale      int    // of them: those that met a closing idle connection
	hedge      *hedge // the copy that is on its way to another server; nil: none is
	asHTTP1    bool   // the request, and not the server, is why it goes by HTTP/1.1 to a server of another version
	needsHTTP1 bool   // a server has reset the request with HTTP_1_1_REQUIRED: it goes by HTTP/1.1 from here on
	madeKey    []byte // with which the server proves that it speaks WebSocket, where the client's version has none

	up      upload
	begun   bool // Begin was called and End was not
	heard   bool // the server has begun to answer, if only with a 1xx
	outcome pool.Outcome
	isClean bool          // the connection can be kept
	ended   reason.Reason // the operator ended the connection; Done: nobody did
	probe   engine.Alarm
	cancel  transport.Cancel
}

func (a *attemptState) reset() {
	a.server, a.load, a.conn, a.ownPort = nil, nil, nil, 0
	a.tried.Reset()
	a.stay, a.count, a.stale, a.hedge = stay{}, 0, 0, nil
	a.asHTTP1, a.needsHTTP1, a.madeKey = false, false, nil
	a.up.started, a.begun, a.heard, a.outcome, a.isClean = false, false, false, pool.OK, false
	a.ended, a.cancel = reason.Done, transport.Cancel{}
}

func (a *attemptState) forget() {
	a.server, a.load, a.hedge = nil, nil, nil
	a.own.Forget()
	a.tried.Reset()
	a.stay, a.ownPort = stay{}, 0
}
