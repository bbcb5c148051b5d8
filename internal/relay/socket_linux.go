package relay

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// onSocket calls f with the descriptor of a connection, if it has one.
func onSocket(nc net.Conn, f func(fd int)) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := sc.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) }) // fails on a closed connection
	}
}

// unread returns how many received bytes were not read yet.
func unread(nc net.Conn) (n int) {
	onSocket(nc, func(fd int) { n, _ = unix.IoctlGetInt(fd, unix.SIOCINQ) })
	return n
}

// unacknowledged returns how many written bytes the peer's system has not acknowledged, and whether it
// still can. The end of the stream counts as one byte. It returns 0 for a Unix domain socket, which
// delivers at once.
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

// ignorePackets makes the socket of a tcp connection drop every incoming packet, or undoes that. The
// system then neither sends nor sees acknowledgements.
func ignorePackets(nc net.Conn, ignore bool) {
	if _, ok := nc.(*net.TCPConn); !ok {
		return
	}
	onSocket(nc, func(fd int) {
		if ignore {
			pass := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0} // passes no byte of any packet
			_ = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &pass})
		} else {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) // fails if there is none
		}
	})
}
