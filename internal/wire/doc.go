// Package wire encodes and decodes the bytes of ZMTP 3.0 and 3.1 (RFC 23 and
// RFC 37): the greeting, frame headers, commands, metadata, subscriptions and
// heartbeats.
//
// It is a pure codec: it does no I/O, keeps no state and never takes memory for
// what a peer merely claims. The Append functions extend a caller's buffer, the
// Parse functions return slices of their input, so a parsed value lives as long
// as the bytes it was cut from. Every function is safe for concurrent use on
// separate buffers, and no input makes a Parse function panic.
package wire
