//go:build !linux

package zmq

// queuedOut is not known here.
func (*sysConn) queuedOut() (n int, known bool) { return 0, false }

// queuedIn is not known here.
func (*sysConn) queuedIn() bool { return false }

// tcp is not known here.
func (*sysConn) tcp() (st tcpState, known bool) { return tcpState{}, false }
