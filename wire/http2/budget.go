package http2

// Glitch is something that a peer may do, and that costs weir work for nothing when it is done without end. Each costs points of the connection's budget, which
// comes back with time and with exchanges that were of use.
type Glitch uint8

const (
	GlitchReset       Glitch = iota // the client has reset a stream whose answer was not complete (rapid reset, CVE-2023-44487)
	GlitchResetCaused               // what the peer sent made weir reset a stream (MadeYouReset, CVE-2025-8671)
	GlitchSettings
	GlitchPing
	GlitchPriority
	GlitchEmpty        // DATA or CONTINUATION without a byte that ends nothing
	GlitchWindow       // WINDOW_UPDATE of a few bytes
	GlitchContinuation // a CONTINUATION frame beyond the first
	GlitchTooLarge     // a head beyond the limits
	GlitchUnknown      // a frame of a type that nobody knows
	GlitchTiny         // DATA of a few bytes
	GlitchCount
)

// glitches is what each costs, in points of Budget.
var glitches = [GlitchCount]struct {
	name string
	cost int32
}{
	GlitchReset:        {"reset", 10},
	GlitchResetCaused:  {"reset_caused", 20},
	GlitchSettings:     {"settings", 10},
	GlitchPing:         {"ping", 5},
	GlitchPriority:     {"priority", 2},
	GlitchEmpty:        {"empty", 10},
	GlitchWindow:       {"window", 2},
	GlitchContinuation: {"continuation", 10},
	GlitchTooLarge:     {"too_large", 100},
	GlitchUnknown:      {"unknown", 2},
	GlitchTiny:         {"tiny", 1},
}

// String is the glitch's name in the words of logs.
func (g Glitch) String() string { return glitches[g].name }

// A full budget bears a hundred resets at once, which a browser that leaves a page may send; a second gives a tenth of it back, and an exchange that was
// carried to its end what two resets cost.
const (
	budgetFull   = 1000
	budgetSecond = 100
	budgetEarned = 20
	budgetData   = 5 // of a frame with content that the peer gets: gRPC clients send a PING for nearly each, to measure how far away weir is
)

// Budget bounds what a peer makes weir do for nothing. The zero Budget is full. Owned by its connection.
type Budget struct {
	spent int32
	at    int64 // ms, of the last look
}

// Spend takes what g costs; false when the budget is exhausted: the connection is to end with ENHANCE_YOUR_CALM.
func (b *Budget) Spend(g Glitch, now int64) bool {
	if b.at == 0 {
		b.at = now
	}
	if passed := now - b.at; passed > 0 {
		b.spent = max(0, b.spent-int32(min(passed*budgetSecond/1000, budgetFull)))
		if passed*budgetSecond >= 1000 {
			b.at = now
		}
	}
	b.spent += glitches[g].cost
	return b.spent <= budgetFull
}

// Earn gives back for an exchange that came to its end.
func (b *Budget) Earn() { b.spent = max(0, b.spent-budgetEarned) }

// EarnData gives back for content that the peer has been sent.
func (b *Budget) EarnData() { b.spent = max(0, b.spent-budgetData) }
