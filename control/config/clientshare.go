package config

import (
	"math"
	"strconv"
	"strings"
)

// ClientShare is how many connections one client may have: a positive number, or, negative, so many percent of all that there may be.
type ClientShare int

// ClientShareOff is no limit.
const ClientShareOff ClientShare = math.MaxInt32

// String is the form that the file takes.
func (c ClientShare) String() string {
	switch {
	case c == ClientShareOff:
		return "off"
	case c < 0:
		return strconv.Itoa(-int(c)) + "%"
	}
	return strconv.Itoa(int(c))
}

// FromText takes a number, a percentage and `off`.
func (c *ClientShare) FromText(text string) error {
	if isOffOrZero(text) {
		*c = ClientShareOff
		return nil
	}
	number, isShare := strings.CutSuffix(text, "%")
	n, err := strconv.ParseInt(number, 10, 31)
	if err != nil || n < 1 || isShare && n > 100 {
		return problemf("%q is not a number of connections; write a number, a share like 25%%, or off", text)
	}
	if *c = ClientShare(n); isShare {
		*c = -*c
	}
	return nil
}
