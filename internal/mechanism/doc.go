// Package mechanism holds the security mechanisms of ZMTP: what the two ends of
// a connection say to each other between greeting and first message, and how they
// protect what follows. NULL is the one that protects nothing.
//
// A mechanism is a state machine of one connection without I/O: it is handed the
// peer's commands and returns its own. It is used by one goroutine at a time.
package mechanism
