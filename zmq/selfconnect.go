package zmq

import (
	"errors"
	"net"
	"syscall"
)

// The system gives each connecting socket a free port. If nobody listens at the port that a dialer tries, and it is one of
// those that the system gives away, the dialer gets that very port one day, and connects to itself (TCP's simultaneous open,
// RFC 9293, section 3.5). Package net notices, closes the connection and tries again. Closed in good order, though, the
// connection would keep the port for a minute (TIME-WAIT), in which the peer could not bind it. So a connection is reset when
// it is closed, until it is known to be one to another socket.

var errSelfConnected = errors.New("nobody listens there: the connection came to itself, and was reset")

// resetOnClose makes closing a socket that is about to connect free its port at once. It is for net.Dialer.Control.
func resetOnClose(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = syscall.SetsockoptLinger(sysSocket(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	})
	return errors.Join(err, failed)
}

// closeInOrder undoes resetOnClose for a connection to another socket. It returns an error for a connection to itself.
func closeInOrder(nc *net.TCPConn) error {
	if nc.LocalAddr().String() == nc.RemoteAddr().String() {
		return errSelfConnected
	}
	return nc.SetLinger(-1)
}
