// Package zmtp conducts the handshake of ZMTP 3.0 and 3.1 (RFC 23 and RFC 37), and of 2.0
// (RFC 15) without security, on a fresh connection: greetings, the security mechanism's
// commands, and the check of what the peer says about itself. What follows, the traffic,
// is its caller's. A failed handshake explains itself, see [HandshakeError].
//
// A handshake is bounded by one deadline and a context, takes memory only for bytes
// that have arrived, and leaves no goroutine behind. Any number of handshakes may
// run at once, each on a connection of its own.
package zmtp
