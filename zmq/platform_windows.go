package zmq

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// errRefused is what the system says if nobody listens at an address. syscall.ECONNREFUSED is a number of Go's own here.
const errRefused = windows.WSAECONNREFUSED

// sysSocket is the system's name for a socket.
type sysSocket = syscall.Handle
