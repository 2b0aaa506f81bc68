package handover

import (
	"syscall"
	"time"
)

// SendFlows says flows of the listener with the address, at most until by, and returns how many it has said. descriptors appends those of a flow.
func (c *Channel) SendFlows(by time.Time, address string, flows []Flow, descriptors func(i int, fds []int) []int) (n int, err error) {
	var fds []int
	for n < len(flows) && time.Now().Before(by) {
		part := flows[n:min(len(flows), n+flowsMax)]
		fds = fds[:0]
		for i := range part {
			fds = descriptors(n+i, fds)
		}
		if err := c.SendPatiently(by, Message{Kind: Flows, Address: address, Flows: part}, fds...); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// ReceiveFlows hears what SendFlows says, up to FlowsEnd. take gets each message and its descriptors, which it consumes.
func (c *Channel) ReceiveFlows(by time.Time, take func(address string, flows []Flow, fds []int)) error {
	for {
		m, fds, err := c.Receive(by)
		if err != nil {
			return err
		}
		switch m.Kind {
		case Flows:
			take(m.Address, m.Flows, fds)
		case FlowsEnd:
			return nil
		default:
			closeAll(fds)
		}
	}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		syscall.Close(fd)
	}
}
