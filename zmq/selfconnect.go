package zmq

import (
	"errors"
	"net"
	"syscall"
)

// The system gives each connecting socket a free port. If the port that a dialer tries has no
// listener and is in the system's range of such ports, the dialer gets that very port one day, and
// connects to itself (TCP's simultaneous open, RFC 9293, section 3.5). Package net notices, closes
// the connection and tries again. An orderly close would keep the port for a minute (TIME-WAIT),
// and the peer could not bind it. So closing a connection resets it, until it is known to lead to
// another socket.

var errSelfConnected = errors.New("no listener: the connection came to itself, and was reset")

// resetOnClose makes closing a socket that is about to connect free its port at once. It is for
// net.Dialer.Control.
func resetOnClose(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = syscall.SetsockoptLinger(sysSocket(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	})
	return errors.Join(err, failed)
}

// closeInOrder undoes resetOnClose for a connection to another socket. It returns an error for a
// connection to itself.
func closeInOrder(nc *net.TCPConn) error {
	if nc.LocalAddr().String() == nc.RemoteAddr().String() {
		return errSelfConnected
	}
	return nc.SetLinger(-1)
}
