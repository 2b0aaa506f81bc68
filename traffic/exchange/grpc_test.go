package exchange

import "testing"

func TestGRPCTimeoutsAreRead(t *testing.T) {
	for in, want := range map[string]int64{"1H": 3600_000, "2M": 120_000, "3S": 3000, "4m": 4, "5000u": 5, "1u": 1, "6000000n": 6, "": 0, "S": 0, "5": 0, "5x": 0,
		"-1S": 0, "123456789S": 0, "99999999H": 99999999 * 3600_000} {
		if got := grpcTimeout([]byte(in)); got != want {
			t.Errorf("%q: %d ms, want %d", in, got, want)
		}
	}
}

func TestGRPCIsToldByItsType(t *testing.T) {
	for in, want := range map[string]bool{"application/grpc": true, "application/grpc+proto": true, "Application/gRPC;x": true, "application/grpc-web": false,
		"application/grpc-web-text": false, "application/json": false, "": false} {
		if got := isGRPCType([]byte(in)); got != want {
			t.Errorf("%q: %v", in, got)
		}
	}
}
