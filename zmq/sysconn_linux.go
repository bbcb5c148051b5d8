package zmq

import (
	"time"

	"golang.org/x/sys/unix"
)

// tcpClosed is the state of a connection that was reset or timed out (net/tcp_states.h).
const tcpClosed = 7

// queuedOut returns the size of the send queue, which holds what the peer has not acknowledged.
func (s *sysConn) queuedOut() (n int, known bool) {
	err := s.raw.Control(func(fd uintptr) {
		var failed error
		n, failed = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		known = failed == nil
	})
	return n, known && err == nil
}

// queuedIn reports whether bytes have arrived that were not read yet.
func (s *sysConn) queuedIn() (some bool) {
	if s == nil {
		return false
	}
	_ = s.raw.Control(func(fd uintptr) {
		n, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ)
		some = err == nil && n > 0
	})
	return some
}

// tcp returns the state of a tcp connection.
func (s *sysConn) tcp() (st tcpState, known bool) {
	if s == nil || !s.stream {
		return st, false
	}
	_ = s.raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		known = true
		st = tcpState{
			acked:   info.Bytes_acked,
			lastAck: time.Duration(info.Last_ack_recv) * time.Millisecond,
			shut:    info.Snd_wnd == 0,
			closed:  info.State == tcpClosed,
		}
	})
	return st, known
}
