package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// socket speaks to nf_tables. The kernel works on a message while it is being sent, so that no call waits for long. Used by one goroutine at a time.
type socket struct {
	fd       int
	sequence uint32
	sendable int    // bytes that a message may have by now
	buffer   []byte // for what is received
}

func openSocket() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &socket{fd: fd, buffer: make([]byte, 256<<10)}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		s.close()
		return nil, os.NewSyscallError("bind", err)
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20) // errors of many messages; without it ENOBUFS is an error, too
	return s, nil
}

func (s *socket) close() error { return unix.Close(s.fd) }

// commit has the kernel apply the batch. An error means that it has changed nothing.
func (s *socket) commit(b *batch) error {
	if b.err != nil {
		return fmt.Errorf("BUG: a rule cannot be encoded: %w", b.err)
	}
	if b.isEmpty() {
		return nil
	}
	return s.send(b.finish())
}

// rehearse has the kernel do all that commit does but the last step: a batch without an end is checked, and aborted.
func (s *socket) rehearse(b *batch) error {
	if b.err != nil {
		return fmt.Errorf("BUG: a rule cannot be encoded: %w", b.err)
	}
	return s.send(b.withoutEnd())
}

func (s *socket) send(message []byte) error {
	if err := s.makeRoom(len(message)); err != nil {
		return err
	}
	if err := unix.Sendto(s.fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("transaction of %d bytes: %w", len(message), err)
	}
	isAcknowledged, err := s.answers()
	if err == nil && !isAcknowledged {
		err = errors.New("the kernel did not acknowledge the transaction")
	}
	return err
}

// makeRoom lets the socket send so many bytes at once: a transaction is one message.
func (s *socket) makeRoom(size int) error {
	const most = 1 << 30
	if size > most/2 {
		return fmt.Errorf("a transaction of %d bytes is more than the kernel takes", size)
	}
	if size += size/8 + 4096; size > s.sendable {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, size); err != nil {
			return os.NewSyscallError("SO_SNDBUFFORCE", err)
		}
		s.sendable = size
	}
	return nil
}

// answers reads all that the kernel has said of a batch by now, which is everything: it has been processed when it is sent.
func (s *socket) answers() (isAcknowledged bool, err error) {
	for {
		n, _, e := unix.Recvfrom(s.fd, s.buffer, unix.MSG_DONTWAIT)
		switch {
		case e == unix.EAGAIN:
			return isAcknowledged, err
		case e == unix.EINTR:
			continue
		case e != nil:
			return false, errors.Join(err, os.NewSyscallError("recvfrom", e))
		}
		eachMessage(s.buffer[:n], func(kind uint16, body []byte) {
			if kind != unix.NLMSG_ERROR || len(body) < 4 {
				return
			}
			if code := int32(binary.NativeEndian.Uint32(body)); code == 0 {
				isAcknowledged = true
			} else if err == nil {
				err = fmt.Errorf("message %s: %w", whichOf(body[4:]), unix.Errno(-code))
			}
		})
	}
}

// whichOf says which message of a batch an error is of: its number, and its type.
func whichOf(head []byte) string {
	if len(head) < unix.NLMSG_HDRLEN {
		return "?"
	}
	return fmt.Sprintf("%d of type %#x", binary.NativeEndian.Uint32(head[8:]), binary.NativeEndian.Uint16(head[4:]))
}

// errChanged is that of a list that changed while it was read.
var errChanged = errors.New("the kernel's tables keep changing while they are read")

// dump asks for a list, and calls each for every message of it. attributes are those of the request.
func (s *socket) dump(kind uint16, family byte, attributes func(*batch), each func(body []byte)) (err error) {
	const most = 5
	for range most {
		var list [][]byte
		if list, err = s.list(kind, family, attributes); err == nil {
			for _, body := range list {
				each(body)
			}
			return nil
		}
		if !errors.Is(err, errChanged) {
			return err
		}
	}
	return err
}

func (s *socket) list(kind uint16, family byte, attributes func(*batch)) (list [][]byte, err error) {
	err = s.request(kind, unix.NLM_F_DUMP, family, attributes, func(_ uint16, body []byte) { list = append(list, append([]byte(nil), body...)) })
	return list, err
}

// request sends one message and reads the answer to its end.
func (s *socket) request(kind, flags uint16, family byte, attributes func(*batch), each func(kind uint16, body []byte)) error {
	b := &batch{family: family}
	s.sequence++
	b.do(kind, flags)
	if attributes != nil {
		attributes(b)
	}
	b.close(b.last)
	if err := unix.Sendto(s.fd, b.bytes, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	isDone, isChanged := false, false
	var failed error
	for !isDone {
		n, _, err := unix.Recvfrom(s.fd, s.buffer, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return os.NewSyscallError("recvfrom", err)
		}
		eachFlagged(s.buffer[:n], func(kind, answered uint16, body []byte) {
			isChanged = isChanged || answered&unix.NLM_F_DUMP_INTR != 0
			switch kind {
			case unix.NLMSG_DONE:
				isDone = true
			case unix.NLMSG_ERROR:
				isDone = true
				if len(body) >= 4 {
					if code := int32(binary.NativeEndian.Uint32(body)); code != 0 {
						failed = unix.Errno(-code)
					}
				}
			default:
				isDone = isDone || flags&unix.NLM_F_DUMP == 0
				each(kind, body)
			}
		})
	}
	if failed == nil && isChanged {
		return errChanged
	}
	return failed
}

// generation is the number of the last transaction in this network namespace, anybody's.
func (s *socket) generation() (n uint32, err error) {
	err = s.request(unix.NFT_MSG_GETGEN, 0, unix.AF_UNSPEC, nil, func(_ uint16, body []byte) {
		eachAttribute(body, func(kind uint16, data []byte) {
			if kind == unix.NFTA_GEN_ID && len(data) == 4 {
				n = binary.BigEndian.Uint32(data)
			}
		})
	})
	return n, err
}

// eachMessage calls do with the type and the attributes of each message, or the body of an error.
func eachMessage(b []byte, do func(kind uint16, body []byte)) {
	eachFlagged(b, func(kind, _ uint16, body []byte) { do(kind, body) })
}

func eachFlagged(b []byte, do func(kind, flags uint16, body []byte)) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return
		}
		kind, flags, body := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:]), b[unix.NLMSG_HDRLEN:size]
		if kind >= unix.NLMSG_MIN_TYPE {
			if len(body) < familyHead {
				return
			}
			body = body[familyHead:]
		}
		do(kind, flags, body)
		b = b[min(len(b), (size+3)&^3):]
	}
}

func eachAttribute(b []byte, do func(kind uint16, data []byte)) {
	for len(b) >= unix.NLA_HDRLEN {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.NLA_HDRLEN || size > len(b) {
			return
		}
		do(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[unix.NLA_HDRLEN:size])
		b = b[min(len(b), (size+3)&^3):]
	}
}
