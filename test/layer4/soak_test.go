package layer4

import "flag"

// soak asks for the long variants.
var soak = flag.Bool("soak", false, "many more changes")
