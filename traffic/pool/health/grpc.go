package health

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"

	"golang.org/x/net/http2"
)

// grpcStatuses are the words of grpc.health.v1.HealthCheckResponse.ServingStatus.
var grpcStatuses = map[byte]string{0: "UNKNOWN", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}

const (
	grpcServing    = 1
	grpcHealth     = "/grpc.health.v1.Health/Check"
	grpcAnswerMost = 1 << 10
)

// encryptHTTP2 is encryptIfAsked for who speaks HTTP/2 afterwards.
func encryptHTTP2(ctx context.Context, p *probe) error {
	if p.Encrypt {
		p.TLS = p.TLS.Clone()
		p.TLS.NextProtos = []string{"h2"}
	}
	return encryptIfAsked(ctx, p)
}

// askGRPC calls grpc.health.v1.Health/Check for the service that the path names; "/" is all of the server.
func askGRPC(ctx context.Context, p *probe) error {
	conn, err := new(http2.Transport).NewClientConn(p.conn)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	defer conn.Close()
	scheme, port := "http", uint16(80)
	if p.Encrypt {
		scheme, port = "https", 443
	}
	request, err := http.NewRequestWithContext(ctx, "POST", scheme+"://"+p.authority(port)+grpcHealth, bytes.NewReader(grpcQuestion(strings.TrimPrefix(p.Path, "/"))))
	if err != nil {
		return err
	}
	request.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {"weir-health"}}
	answer, err := conn.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, grpcAnswerMost))
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	return judgeGRPC(answer, body)
}

// grpcQuestion is a HealthCheckRequest with the length before it that gRPC gives every message.
func grpcQuestion(service string) []byte {
	var message []byte
	if service != "" {
		message = append(binary.AppendUvarint([]byte{1<<3 | 2}, uint64(len(service))), service...)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// judgeGRPC wants status 0 of the call and SERVING in its HealthCheckResponse.
func judgeGRPC(answer *http.Response, body []byte) error {
	status := answer.Trailer.Get("Grpc-Status")
	if status == "" {
		status = answer.Header.Get("Grpc-Status") // of an answer that is trailers alone
	}
	switch {
	case answer.StatusCode != 200:
		return fmt.Errorf("status %d", answer.StatusCode)
	case status == "12":
		return fmt.Errorf("the server has no grpc.health.v1.Health")
	case status != "0":
		return fmt.Errorf("grpc-status %q", status)
	}
	serving := byte(0) // what is not written is 0
	if len(body) >= 7 && body[5] == 1<<3 {
		serving = body[6]
	}
	if serving != grpcServing {
		return fmt.Errorf("the server says %s", or(grpcStatuses[serving], fmt.Sprint(serving)))
	}
	return nil
}
