// Package accesslog writes a line per ended exchange. Loops put binary records into rings of their own; one worker polls the rings,
// formats, and writes. A loop never waits: when a ring is full the record is dropped and counted.
//
// Invariants: a ring has one writer, its loop, and one reader, the worker.
//
// Called by traffic/exchange (Ring.Put) and control/ (Writer).
package accesslog
