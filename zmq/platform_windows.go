package zmq

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// errRefused is the system's error for an address without a listener. syscall.ECONNREFUSED is a
// number of Go's own here.
const errRefused = windows.WSAECONNREFUSED

// sysSocket is the system's name for a socket.
type sysSocket = syscall.Handle
