package http1

// Interims bounds the interim (1xx) responses to a request by bytes and rate. Their number says nothing: a server may send 102 (Processing) for hours, or a hundred 103 (Early
// Hints) at once. The zero Interims is full. Owned by the request's exchange.
type Interims struct {
	spent int64 // bytes
	since int64 // ms: the last look
}

// What interim responses may cost: interimsMost bytes at once, and interimsSecond more in each second. Each counts as interimLeast bytes more than it has, which is about what its way
// to the client costs.
const (
	interimsMost   = 128 << 10
	interimsSecond = 16 << 10
	interimLeast   = 512
)

// Take takes an interim response of n bytes; false when the server sends more than it may.
func (i *Interims) Take(n int, now int64) bool {
	if i.since != 0 {
		i.spent = max(0, i.spent-max(0, now-i.since)*interimsSecond/1000)
	}
	i.since = now
	i.spent += int64(n + interimLeast)
	return i.spent <= interimsMost
}
