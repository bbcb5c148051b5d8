package zmq

import (
	"net"
	"syscall"
	"time"
)

// sysConn asks the operating system about the bytes of a connection. Its methods may be called by
// any number of goroutines, also after the connection has failed, until it is closed. Whatever the
// system cannot tell is reported as unknown.
type sysConn struct {
	raw    syscall.RawConn
	stream bool // tcp: what was written may still be on its way
}

// newSysConn returns nil if the system cannot be asked about nc.
func newSysConn(nc net.Conn) *sysConn {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	_, tcp := nc.(*net.TCPConn)
	return &sysConn{raw: raw, stream: tcp}
}

// tcpState is what the system knows of a tcp connection.
type tcpState struct {
	acked   uint64        // bytes that the peer's system has acknowledged
	lastAck time.Duration // since the peer's system was last heard
	shut    bool          // the peer's system has no room for more: its window is zero
	closed  bool          // the connection is over for the system
}

// unacked returns how many bytes were written and not yet taken over by the peer's system. A Unix
// domain socket puts them there at once.
func (s *sysConn) unacked() (n int, known bool) {
	switch {
	case s == nil:
		return 0, false
	case !s.stream:
		return 0, true
	}
	return s.queuedOut()
}
