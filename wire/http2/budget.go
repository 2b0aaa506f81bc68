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
	GlitchExpansion    // a head that is much larger than what was received for it
	GlitchLate         // a frame on a stream that weir has reset, beyond what may have been on its way
	GlitchCount
)

// glitches is what each costs, in points of Budget.
var glitches = [GlitchCount]struct {
	name string
	cost int32
}{
	GlitchReset:        {"reset", 100},
	GlitchResetCaused:  {"reset_caused", 200},
	GlitchSettings:     {"settings", 100},
	GlitchPing:         {"ping", 50},
	GlitchPriority:     {"priority", 20},
	GlitchEmpty:        {"empty", 100},
	GlitchWindow:       {"window", 20},
	GlitchContinuation: {"continuation", 100},
	GlitchTooLarge:     {"too_large", 1000},
	GlitchUnknown:      {"unknown", 20},
	GlitchTiny:         {"tiny", 1}, // a program that writes byte by byte may send thousands at once, and they cost little more than their bytes
	GlitchExpansion:    {"expansion", 1},
	GlitchLate:         {"late", 20},
}

// String is the glitch's name in the words of logs.
func (g Glitch) String() string { return glitches[g].name }

// A full budget bears a hundred resets at once, which a browser that leaves a page may send; a second gives a tenth of it back, and an exchange that was
// carried to its end what two resets cost.
const (
	budgetFull   = 10000
	budgetSecond = 1000
	budgetEarned = 200
	budgetData   = 50 // of a frame with content that the peer gets: gRPC clients send a PING for nearly each, to measure how far away weir is
)

// Budget bounds what a peer makes weir do for nothing. The zero Budget is full. Owned by its connection.
type Budget struct {
	spent int32
	tiny  int32 // of spent, what tiny frames have cost
	at    int64 // ms, of the last look
}

// Spend takes what g costs; false when the budget is exhausted: the connection is to end with ENHANCE_YOUR_CALM.
func (b *Budget) Spend(g Glitch, now int64) bool {
	if g == GlitchTiny {
		b.tiny = min(b.tiny+glitches[g].cost, budgetFull)
	}
	return b.spend(glitches[g].cost, now)
}

// SpendTimes is Spend for a glitch that was there n times.
func (b *Budget) SpendTimes(g Glitch, n int, now int64) bool {
	return b.spend(int32(min(int64(n)*int64(glitches[g].cost), 2*budgetFull)), now)
}

// expansionFree and expansionPoint say what a head costs that is larger than what was received for it. Each entry of the table is at most tableSize, and a peer that
// means well refers to each once in a head, beside a few of the static table; Huffman's code makes of a byte at most 1.6. What goes beyond repeats the same fields: bytes that cost
// weir work and memory and the peer nothing, of which the budget bears 80 kB at once and 8 kB in a second.
const (
	expansionFree  = 8 << 10
	expansionPoint = 8
)

// SpendExpansion takes what a head of so many bytes costs that was received in fewer.
func (b *Budget) SpendExpansion(decoded, received int, now int64) bool {
	excess := decoded - 2*received - expansionFree
	return excess <= 0 || b.SpendTimes(GlitchExpansion, excess/expansionPoint, now)
}

func (b *Budget) spend(cost int32, now int64) bool {
	if b.at == 0 {
		b.at = now
	}
	if passed := now - b.at; passed > 0 {
		b.spent = max(0, b.spent-int32(min(passed*budgetSecond/1000, budgetFull)))
		if passed*budgetSecond >= 1000 {
			b.at = now
		}
	}
	b.tiny = min(b.tiny, b.spent+cost)
	b.spent = min(b.spent+cost, 2*budgetFull)
	return b.spent <= budgetFull
}

// Earn gives back for an exchange that came to its end.
func (b *Budget) Earn() { b.spent = max(0, b.spent-budgetEarned) }

// TinyData is content of so little that a stream of it is work and nothing else, and WorthData so much that it pays for a frame of that kind beside it: programs that write a little more than
// a frame at a time send one behind each full one.
const (
	TinyData  = 4
	WorthData = 512
)

// EarnWorth gives back for a frame with content of WorthData or more that the peer has sent. Frames with content pay for tiny ones alone: what else a peer makes weir do for nothing is not
// worth less because it uploads at the same time.
func (b *Budget) EarnWorth() {
	paid := min(glitches[GlitchTiny].cost, b.tiny, b.spent)
	b.tiny -= paid
	b.spent -= paid
}

// EarnData gives back for content that the peer has been sent.
func (b *Budget) EarnData() { b.spent = max(0, b.spent-budgetData) }
