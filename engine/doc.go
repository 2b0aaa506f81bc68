// Package engine moves bytes: one epoll loop per core, a coroutine per exchange in flight, and the same connection contract
// over package net on ordinary goroutines.
//
// Invariants:
//   - Everything that hangs on a Loop (connections, buffers, timers, statistics, and all state that traffic/ keeps per loop)
//     is touched only by code that runs on that loop: its coroutines, its handlers, functions posted to it.
//   - Code on a loop may park only through this package (Read, Write, Dial, Sleep, Wait, Block). Anything else that can wait, a
//     channel, a contended mutex, a file, would stop every connection of the loop.
//   - Every wait has a deadline.
//   - On goroutines (Config.Portable) a loop is a lock that is held between two waits, so the same code keeps the same promises.
//
// Called by traffic/ and control/; knows no protocol.
package engine
