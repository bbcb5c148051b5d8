//go:build !linux

package zmq

import (
	"io"
	"net"
)

// newCalmReader returns nil: on this system one reads as usual.
func newCalmReader(net.Conn) io.Reader { return nil }
