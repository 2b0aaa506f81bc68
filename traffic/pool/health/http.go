package health

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const (
	headMax    = 32 << 10
	bodyMax    = 64 << 10
	interimMax = 5 // 1xx before the answer
	userAgent  = "weir-health"
)

// ask sends one GET and judges the answer. It uses net/http for parsing alone: http.Client would keep connections, follow
// redirects and go by the environment's proxies.
func ask(ctx context.Context, p *probe) error {
	if p.speaksHTTP2() {
		return askHTTP2(ctx, p)
	}
	if _, err := io.WriteString(p.conn, p.request()); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	answer, err := readAnswer(io.LimitReader(p.conn, headMax+bodyMax))
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	return p.judge(answer)
}

// judge holds an answer against what is expected.
func (p *probe) judge(answer *http.Response) error {
	if !p.expects(answer.StatusCode) {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	if p.Body == "" && !p.Reuse {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, bodyMax))
	p.isWhole = err == nil && len(body) < bodyMax && !answer.Close
	if p.Body == "" || bytes.Contains(body, []byte(p.Body)) {
		return nil
	}
	return errors.Join(fmt.Errorf("no %q in the body", p.Body), err)
}

func (p *probe) request() string {
	port := uint16(80)
	if _, isTLS := p.conn.(*tls.Conn); isTLS {
		port = 443
	}
	end := "\r\nConnection: close\r\n\r\n"
	if p.Reuse {
		end = "\r\n\r\n"
	}
	return "GET " + p.Path + " HTTP/1.1\r\nHost: " + p.authority(port) + "\r\nUser-Agent: " + userAgent + "\r\nAccept: */*" + end
}

// readAnswer reads the head of the final answer.
func readAnswer(r io.Reader) (*http.Response, error) {
	buffered := bufio.NewReader(r)
	for range interimMax {
		answer, err := http.ReadResponse(buffered, nil)
		if err != nil || answer.StatusCode >= 200 {
			return answer, err
		}
	}
	return nil, errors.New("too many interim answers")
}

func (p *probe) expects(status int) bool {
	for _, r := range p.Status {
		if r.From <= status && status <= r.To {
			return true
		}
	}
	return false
}
