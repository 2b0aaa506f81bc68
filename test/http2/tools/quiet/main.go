// Command quiet is a client of gRPC's interop server that opens a stream in both directions and is silent on it for a time, then says one more thing. It fails if the
// stream has ended meanwhile, or if the connection is another.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

func main() {
	address := flag.String("address", "", "where the server is")
	silence := flag.Duration("silence", time.Second, "how long nobody says anything")
	flag.Parse()
	if err := run(*address, *silence); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address string, silence time.Duration) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*silence+10*time.Second)
	defer cancel()
	stream, err := testgrpc.NewTestServiceClient(conn).FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	time.Sleep(silence) // before the first message: the server has not answered yet
	for range 2 {
		ask := &testgrpc.StreamingOutputCallRequest{ResponseParameters: []*testgrpc.ResponseParameters{{Size: 7}}}
		if err := stream.Send(ask); err != nil {
			return err
		}
		if _, err := stream.Recv(); err != nil {
			return err
		}
		time.Sleep(silence)
	}
	return stream.CloseSend()
}
