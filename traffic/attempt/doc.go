// Package attempt gets work to a server: it waits for room under the limits of a pool, opens connections, and gives back what was held. It
// is what exchanges and tunnels do alike.
//
// Invariants: all of it runs on the loop of the client's connection. What Queue and Admit held is settled exactly once. Nothing in here
// knows what the work is.
//
// Called by traffic/exchange and traffic/tunnel; KeepWarm, CloseIdle and Renew by control/lifecycle.
package attempt
