package faults

import "flag"

// soak has the tests that count over a long time run for it: make soak. Without it they are cut short.
var soak = flag.Bool("soak", false, "run the long tests in their full length")
