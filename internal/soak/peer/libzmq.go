package peer

import _ "embed"

// LibzmqSource is the source of a peer in C that uses libzmq.
//
//go:embed libzmq/peer.c
var LibzmqSource []byte
