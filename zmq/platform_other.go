//go:build !windows

package zmq

import "syscall"

// errRefused is what the system says if nobody listens at an address.
const errRefused = syscall.ECONNREFUSED

// sysSocket is the system's name for a socket.
type sysSocket = int
