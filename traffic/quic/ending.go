package quic

import (
	"context"
	"errors"
	"fmt"
	"net"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/http3"
)

// EndingError is the end of a connection that has taken its streams along.
type EndingError struct {
	Code  http3.Code // by which weir has ended it
	Why   string     // what the peer has done; "": nothing is known
	cause error      // nil: weir has ended it itself
}

func (e *EndingError) Error() string {
	var closed *quicgo.ApplicationError
	switch {
	case e.cause == nil && e.Why != "":
		return "the connection was ended: " + e.Why
	case e.cause == nil:
		return "the connection was ended: " + e.Code.String()
	case errors.As(e.cause, &closed) && closed.Remote:
		return fmt.Sprintf("the peer closed the connection: %s %s", http3.Code(closed.ErrorCode), closed.ErrorMessage)
	}
	return "the connection has ended: " + e.cause.Error()
}

// Unwrap is what QUIC says of the end.
func (e *EndingError) Unwrap() error { return e.cause }

// lossOf is what the exchange of a stream is told of its end before its time. It is never nil, also where err is: whoever waited for the stream would wait on.
func (c *Conn) lossOf(err error) error {
	var reset *quicgo.StreamError
	switch {
	case !errors.As(err, &reset):
		return c.endOf(err)
	case !c.toServer:
		return errReset
	case http3.Code(reset.ErrorCode) == http3.RequestRejected:
		// RFC 9114 section 4.1.1: "The client can treat requests rejected by the server as though they had never been sent at all".
		return http2.ErrRefused
	}
	return &ResetError{http3.Code(reset.ErrorCode)}
}

// endOf is the end of the connection, which a stream has learnt of by err. What weir itself has ended it for comes first.
func (c *Conn) endOf(err error) error {
	if e := c.ending.Load(); e != nil {
		return e
	}
	if cause := context.Cause(c.raw.Context()); cause != nil {
		err = cause
	}
	if err == nil {
		err = net.ErrClosed
	}
	return &EndingError{cause: err}
}
