//go:build !linux

package zmq

// queuedOut is not known here.
func (*sysConn) queuedOut() (n int, known bool) { return 0, false }

// queuedIn is not known here.
func (*sysConn) queuedIn() int { return 0 }

// peerEnded is not known here: a peer that is gone is noticed when what it has sent is read.
func (*sysConn) peerEnded() (half, both bool) { return false, false }

// tcp is not known here.
func (*sysConn) tcp() (st tcpState, known bool) { return tcpState{}, false }
