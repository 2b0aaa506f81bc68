package site

// Buffer is how much of bodies is held back, in bytes. Immutable.
type Buffer struct {
	Response int64  // of an answer, before the client gets any of it; 0: nothing
	Request  int64  // of a request, before a server is asked for; 0: nothing
	Spill    int64  // beyond that, in a file; 0: nothing
	Dir      string // where the files are
}
