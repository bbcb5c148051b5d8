package zmq

import (
	"errors"
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

// queuedIn returns how many bytes have arrived that were not read yet.
func (s *sysConn) queuedIn() (n int) {
	if s == nil {
		return 0
	}
	_ = s.raw.Control(func(fd uintptr) {
		if queued, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ); err == nil {
			n = queued
		}
	})
	return n
}

// peerEnded reports whether the peer has ended its side of the connection, and whether both sides have ended, as far as the
// system knows. That does not depend on what was read.
func (s *sysConn) peerEnded() (half, both bool) {
	if s == nil {
		return false, false
	}
	_ = s.raw.Control(func(fd uintptr) {
		look := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		for _, err := unix.Poll(look, 0); errors.Is(err, unix.EINTR); {
			_, err = unix.Poll(look, 0)
		}
		half = look[0].Revents&unix.POLLRDHUP != 0
		both = look[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
	})
	return half, both
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
