//go:build !linux && !darwin

package zmq

import "net"

// nowait is not there on this system: every write is the writer's.
type nowait struct{}

func newNowait(net.Conn) *nowait { return nil }

func (*nowait) write([][]byte) int { return 0 }

// readNow is not there on this system.
type readNow struct{}

func newReadNow(net.Conn) *readNow { return nil }

func (*readNow) read([]byte) (int, error) { return 0, nil }
