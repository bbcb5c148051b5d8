//go:build !linux && !darwin

package zmq

import "net"

// nowait is not there on this system: every write is the writer's.
type nowait struct{}

func newNowait(net.Conn) *nowait { return nil }

func (*nowait) write([][]byte) int { return 0 }
