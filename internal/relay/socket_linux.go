package relay

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// onSocket calls f with the descriptor of a connection, if there is one.
func onSocket(nc net.Conn, f func(fd int)) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := sc.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) }) // fails for a closed connection
	}
}

// unread returns how many bytes the system has received on the connection that were not read.
func unread(nc net.Conn) (n int) {
	onSocket(nc, func(fd int) { n, _ = unix.IoctlGetInt(fd, unix.SIOCINQ) })
	return n
}

// unacknowledged returns how many bytes were written to a tcp connection that the peer's system has not acknowledged, and
// whether it may still do that. The end of the stream counts as one. It returns 0 for a Unix domain socket, where what was
// written is with the peer.
func unacknowledged(nc net.Conn) (n int, alive bool) {
	if _, ok := nc.(*net.TCPConn); !ok {
		return 0, true
	}
	onSocket(nc, func(fd int) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		alive = err == nil && info.State != unix.BPF_TCP_CLOSE // asked first: it does not come back to life
		n, _ = unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	})
	return n, alive
}

// ignorePackets has a tcp connection's socket ignore every packet that arrives, or no longer. The system then acknowledges
// nothing, and does not learn of acknowledgements.
func ignorePackets(nc net.Conn, ignore bool) {
	if _, ok := nc.(*net.TCPConn); !ok {
		return
	}
	onSocket(nc, func(fd int) {
		if ignore {
			pass := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0} // no byte of any packet
			_ = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &pass})
		} else {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) // fails if there is none
		}
	})
}
