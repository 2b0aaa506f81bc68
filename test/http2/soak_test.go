package http2

import "flag"

// soak asks for the long variants.
var soak = flag.Bool("soak", false, "25 times as much through each WebSocket, and gRPC streams that are silent for minutes")
