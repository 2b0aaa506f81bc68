package pool

// Outcome is how an attempt ended, as far as the server is to be judged by it.
type Outcome uint8

const (
	OK            Outcome = iota // any answer but those below, also 404 and 500
	Cancelled                    // the client went away or weir ended it: says nothing about the server
	GatewayError                 // 502, 503 or 504
	ConnectFailed                // no connection: refused, unreachable, connect timeout, TLS handshake failed
	Timeout                      // no answer in time
	Reset                        // the connection ended before the answer was complete
	BadResponse                  // what came is not an answer
	outcomeCount
)

// IsFailure reports whether the outcome counts against the server.
func (o Outcome) IsFailure() bool { return o >= GatewayError }

func (o Outcome) String() string {
	return [...]string{"ok", "cancelled", "gateway_error", "connect_failed", "timeout", "reset", "bad_response"}[o]
}
