package messaging

import (
	"context"

	"github.com/experimance/experimance-go/zmq"
)

// zmqEngine is the engine on ZeroMQ sockets.
type zmqEngine struct{}

func zmqConfig(o socketOptions) zmq.Config {
	return zmq.Config{SendHWM: o.sendHWM, RecvHWM: o.recvHWM, MaxMessageSize: o.maxMessageSize, Security: o.security}
}

func (zmqEngine) newPub(o socketOptions) (pubSocket, error) {
	s, err := zmq.NewPub(zmqConfig(o))
	return zmqPub{zmqSocket{s}, s}, err
}

func (zmqEngine) newSub(o socketOptions) (subSocket, error) {
	s, err := zmq.NewSub(zmqConfig(o))
	return zmqSub{zmqReceiver{zmqSocket{s}, s}, s}, err
}

// newPush queues for peers only that are there: a task for an endpoint that nobody answers would be lost at Stop.
func (zmqEngine) newPush(o socketOptions) (pushSocket, error) {
	cfg := zmqConfig(o)
	cfg.Immediate = true
	s, err := zmq.NewPush(cfg)
	return zmqPush{zmqSocket{s}, s}, err
}

func (zmqEngine) newPull(o socketOptions) (receiveSocket, error) {
	s, err := zmq.NewPull(zmqConfig(o))
	return zmqReceiver{zmqSocket{s}, s}, err
}

// zmqSocket adapts what all sockets of package zmq have in common.
type zmqSocket struct {
	common interface {
		Bind(endpoint string) (string, error)
		Connect(endpoint string) error
		Shutdown(ctx context.Context) error
		Stats() zmq.Stats
	}
}

func (s zmqSocket) bind(endpoint string) (string, error) { return s.common.Bind(endpoint) }
func (s zmqSocket) connect(endpoint string) error        { return s.common.Connect(endpoint) }
func (s zmqSocket) shutdown(ctx context.Context) error   { return s.common.Shutdown(ctx) }

func (s zmqSocket) stats() SocketStats {
	st := s.common.Stats()
	return SocketStats{
		Sent:     st.MessagesSent,
		Received: st.MessagesReceived,
		Dropped:  st.Dropped,
		Queued:   st.Queued,
		Peers:    st.Peers,
	}
}

// The sending sockets call their Send directly, not by an interface: so the compiler sees that the frames stay on the stack.

type zmqPush struct {
	zmqSocket
	push *zmq.Push
}

func (s zmqPush) send(ctx context.Context, payload []byte) error { return s.push.Send(ctx, payload) }
func (s zmqPush) waitPeers(ctx context.Context, n int) error     { return s.push.WaitPeers(ctx, n) }

type zmqPub struct {
	zmqSocket
	pub *zmq.Pub
}

func (s zmqPub) send(ctx context.Context, payload []byte) error { return s.pub.Send(ctx, payload) }

func (s zmqPub) waitSubscribers(ctx context.Context, topic string, n int) error {
	return s.pub.WaitSubscribers(ctx, topic, n)
}

type zmqReceiver struct {
	zmqSocket
	receiver interface {
		Recv(ctx context.Context) (zmq.Message, error)
	}
}

func (s zmqReceiver) receive(ctx context.Context, handle func(payload []byte, parts int)) error {
	for {
		m, err := s.receiver.Recv(ctx)
		if err != nil {
			return err
		}
		handle(m.Bytes(), m.Len())
		m.Release()
	}
}

type zmqSub struct {
	zmqReceiver
	sub *zmq.Sub
}

func (s zmqSub) subscribe(prefix string) error { return s.sub.Subscribe(prefix) }
