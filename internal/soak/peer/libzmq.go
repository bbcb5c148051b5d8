package peer

import _ "embed"

// LibzmqSource is the program in C whose sockets are those of libzmq.
//
//go:embed libzmq/peer.c
var LibzmqSource []byte
