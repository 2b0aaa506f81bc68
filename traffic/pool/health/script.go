package health

import (
	"bytes"
	"context"
	"fmt"
)

// saidMax bounds what a server may say until a step of a script has what it expects.
const saidMax = 64 << 10

// converse says and expects, in the script's order. What comes after an expected text is there for the next step.
func converse(_ context.Context, p *probe) error {
	var said []byte
	for _, s := range p.Script {
		if len(s.Send) > 0 {
			if _, err := p.conn.Write(s.Send); err != nil {
				return fmt.Errorf("send: %w", err)
			}
			continue
		}
		var err error
		if said, err = p.hear(said, &s); err != nil {
			return err
		}
	}
	return nil
}

// hear reads until the server has said what the step expects, and returns what follows it.
func (p *probe) hear(said []byte, s *Step) ([]byte, error) {
	for {
		if end := s.find(said); end >= 0 {
			return said[end:], nil
		}
		if len(said) >= saidMax {
			return nil, fmt.Errorf("no %s in %d bytes", s, saidMax)
		}
		buf := make([]byte, 4096)
		n, err := p.conn.Read(buf)
		said = append(said, buf[:n]...)
		if n == 0 && err != nil {
			return nil, fmt.Errorf("no %s in %.80q: %w", s, said, err)
		}
	}
}

// find is where the expected ends in what was said; -1 if it is not there.
func (s *Step) find(said []byte) int {
	if s.Match != nil {
		if at := s.Match.FindIndex(said); at != nil {
			return at[1]
		}
		return -1
	}
	if i := bytes.Index(said, []byte(s.Expect)); i >= 0 {
		return i + len(s.Expect)
	}
	return -1
}

// String is what the step expects, for people.
func (s *Step) String() string {
	if s.Match != nil {
		return "match of " + s.Match.String()
	}
	return fmt.Sprintf("%q", s.Expect)
}
