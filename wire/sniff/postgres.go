package sniff

import "encoding/binary"

// Asking is what a client of PostgreSQL asks for before it says anything else (PostgreSQL's documentation, "Message Formats").
type Asking uint8

// What clients ask for.
const (
	AsksNothing    Asking = iota // the bytes are no such request
	AsksTLS                      // SSLRequest: the answer S is followed by the client's handshake
	AsksEncryption               // GSSENCRequest: the answer N has the client ask for something else
)

// AskingSize is the bytes of a request.
const AskingSize = 8

const (
	codeTLS        = 1234<<16 | 5679
	codeEncryption = 1234<<16 | 5680
)

// Answers to a request.
const (
	AnswerYes = 'S'
	AnswerNo  = 'N'
)

// Postgres reads a request at the beginning of b. enough is false while it goes on beyond b.
func Postgres(b []byte) (asks Asking, enough bool) {
	head := [...]byte{0, 0, 0, AskingSize}
	for i := range min(len(b), len(head)) {
		if b[i] != head[i] {
			return AsksNothing, true
		}
	}
	if len(b) < AskingSize {
		return AsksNothing, false
	}
	switch binary.BigEndian.Uint32(b[4:]) {
	case codeTLS:
		return AsksTLS, true
	case codeEncryption:
		return AsksEncryption, true
	}
	return AsksNothing, true
}

// AppendPostgresTLS appends the request for TLS.
func AppendPostgresTLS(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, AskingSize)
	return binary.BigEndian.AppendUint32(dst, codeTLS)
}
