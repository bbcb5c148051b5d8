package messaging

import (
	"context"

	"github.com/experimance/experimance-go/zmq"
)

// An engine makes the sockets for the addresses of its schemes. It is all that this package knows of a transport.
type engine interface {
	newPub(socketOptions) (pubSocket, error)
	newSub(socketOptions) (subSocket, error)
	newPush(socketOptions) (pushSocket, error)
	newPull(socketOptions) (receiveSocket, error)
}

// engines holds the engine of each address scheme.
var engines = map[string]engine{
	"tcp":    zmqEngine{},
	"ipc":    zmqEngine{},
	"inproc": zmqEngine{},
}

// socketOptions are the settings that every engine understands; zero values mean the engine's default.
type socketOptions struct {
	sendHWM, recvHWM int
	maxMessageSize   int64
	security         zmq.Security

	// refused is called for each peer with which the socket did not come to terms, limited for each
	// one that was disconnected since it went beyond a limit, and full when all peers together make the
	// socket keep as much as it may. One goroutine calls them.
	refused, limited, full func(endpoint, peer string, err error)
}

// socket is what all sockets have in common. All methods may be called by many goroutines at once.
type socket interface {
	// bind takes connections at the endpoint and returns it with its wildcards resolved. Its error and that of connect tell
	// what was tried, at which endpoint.
	bind(endpoint string) (string, error)
	connect(endpoint string) error

	// shutdown sends what is queued for as long as ctx allows, and closes the socket. Whoever waits in it is freed with
	// an error that is net.ErrClosed. That the time was too short is not an error: stats tells what was dropped.
	shutdown(ctx context.Context) error
	stats() SocketStats
}

type sendSocket interface {
	socket

	// send queues one message; it does not keep payload. A PUSH socket waits for room at a peer, a PUB socket drops.
	send(ctx context.Context, payload []byte) error
}

type pubSocket interface {
	sendSocket

	// waitSubscribers waits until n peers have subscribed to what matches the topic.
	waitSubscribers(ctx context.Context, topic string, n int) error
}

type pushSocket interface {
	sendSocket

	// waitPeers waits until n peers are connected.
	waitPeers(ctx context.Context, n int) error
}

type receiveSocket interface {
	socket

	// receive calls handle for one message after the other until ctx or the socket ends, and returns why. The payload is
	// valid until handle returns; parts is the number of frames that the message came in.
	receive(ctx context.Context, handle func(payload []byte, parts int)) error
}

type subSocket interface {
	receiveSocket
	subscribe(prefix string) error
}
