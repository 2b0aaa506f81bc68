package lifecycle

import (
	"fmt"

	"github.com/weir-proxy/weir/engine"
)

// addressDetail is a detail of a plan about one address.
type addressDetail struct {
	before  string
	address engine.Address
	after   string
}

// ranged writes the details, one for all ports of a range of which the same is said.
func ranged(list []addressDetail) (details []string) {
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].before == list[0].before && list[n].after == list[0].after && follows(list[n-1].address, list[n].address) {
			n++
		}
		details = append(details, list[0].before+rangeOf(list[0].address, list[n-1].address)+list[0].after)
		list = list[n:]
	}
	return details
}

// follows reports whether b is the next port of a's address.
func follows(a, b engine.Address) bool {
	return a.Path == "" && b.Path == "" && a.IsDatagram == b.IsDatagram && a.IP.Addr() == b.IP.Addr() && int(a.IP.Port())+1 == int(b.IP.Port())
}

// rangeOf is the text of an address with the ports from first to last.
func rangeOf(first, last engine.Address) string {
	if first == last {
		return first.String()
	}
	return fmt.Sprintf("%v-%d", first, last.IP.Port())
}

// rangesOf writes addresses, those whose ports follow each other as one range.
func rangesOf(list []engine.Address) []string {
	details := make([]addressDetail, len(list))
	for i := range list {
		details[i].address = list[i]
	}
	return ranged(details)
}
