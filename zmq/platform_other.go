//go:build !windows

package zmq

import "syscall"

// errRefused is the system's error for an address without a listener.
const errRefused = syscall.ECONNREFUSED

// sysSocket is the system's name for a socket.
type sysSocket = int
