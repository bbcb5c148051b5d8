package messaging

import (
	"context"
	"errors"
	"iter"
	"net"

	"github.com/experimance/experimance-go/zmq"
)

// zmqEngine is the engine on ZeroMQ sockets.
type zmqEngine struct{}

func zmqConfig(o socketOptions) zmq.Config {
	return zmq.Config{SendHWM: o.sendHWM, RecvHWM: o.recvHWM, MaxMessageSize: o.maxMessageSize, Security: o.security}
}

func (zmqEngine) newPub(o socketOptions) (pubSocket, error) {
	common, s, err := open(zmq.NewPub, zmqConfig(o), o)
	return zmqPub{common, s}, err
}

func (zmqEngine) newSub(o socketOptions) (subSocket, error) {
	common, s, err := open(zmq.NewSub, zmqConfig(o), o)
	return zmqSub{zmqReceiver{common, s}, s}, err
}

// newPush queues for peers only that are there: a task for an endpoint that nobody answers would be lost at Stop.
func (zmqEngine) newPush(o socketOptions) (pushSocket, error) {
	cfg := zmqConfig(o)
	cfg.Immediate = true
	common, s, err := open(zmq.NewPush, cfg, o)
	return zmqPush{common, s}, err
}

func (zmqEngine) newPull(o socketOptions) (receiveSocket, error) {
	common, s, err := open(zmq.NewPull, zmqConfig(o), o)
	return zmqReceiver{common, s}, err
}

// zmqSocket adapts what all sockets of package zmq have in common.
type zmqSocket struct {
	common zmqCommon
	quit   chan<- struct{} // closed when the socket is: watch ends
	done   <-chan struct{} // closed when watch has ended
}

type zmqCommon interface {
	Bind(endpoint string) (string, error)
	Connect(endpoint string) error
	Shutdown(ctx context.Context) error
	Stats() zmq.Stats
}

// eventRoom is the room for events that wait to be looked at. What goes beyond is lost, which costs no more than a number
// in a warning.
const eventRoom = 64

// open makes a socket whose trouble with peers is told.
func open[S zmqCommon](create func(zmq.Config) (S, error), cfg zmq.Config, o socketOptions) (zmqSocket, S, error) {
	events := make(chan zmq.Event, eventRoom)
	cfg.Events = events
	s, err := create(cfg)
	if err != nil {
		return zmqSocket{}, s, err
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		watch(events, quit, o)
	}()
	return zmqSocket{s, quit, done}, s, nil
}

// watch calls refused for handshakes that failed, limited for connections that a limit has ended, and
// full if all peers together have reached one.
func watch(events <-chan zmq.Event, quit <-chan struct{}, o socketOptions) {
	for {
		select {
		case e := <-events:
			switch {
			case e.Kind == zmq.EventHandshakeFailed && isTelling(e.Err):
				o.refused(e.Endpoint, e.Peer, e.Err)
			case e.Kind == zmq.EventDisconnected && errors.Is(e.Err, zmq.ErrLimit):
				o.limited(e.Endpoint, e.Peer, e.Err)
			case e.Kind == zmq.EventMemoryLimit:
				o.full(e.Endpoint, e.Peer, e.Err)
			}
		case <-quit:
			return
		}
	}
}

// isTelling reports whether the user should know of a failed handshake: not if the socket is being
// closed, nor if somebody has connected and said nothing, as those do that scan ports or look
// whether the service is alive. A limit counts all the same.
func isTelling(err error) bool {
	var failure *zmq.HandshakeError
	silent := errors.As(err, &failure) && failure.Silent
	closing := errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed)
	return errors.Is(err, zmq.ErrLimit) || !silent && !closing
}

func (s zmqSocket) bind(endpoint string) (string, error) { return s.common.Bind(endpoint) }
func (s zmqSocket) connect(endpoint string) error        { return s.common.Connect(endpoint) }

func (s zmqSocket) shutdown(ctx context.Context) error {
	err := s.common.Shutdown(ctx)
	close(s.quit)
	<-s.done
	return err
}

func (s zmqSocket) stats() SocketStats {
	st := s.common.Stats()
	return SocketStats{
		Sent:     st.MessagesSent,
		Received: st.MessagesReceived,
		Dropped:  st.Dropped + st.Discarded,
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
		Messages(ctx context.Context) iter.Seq2[zmq.Message, error]
	}
}

func (s zmqReceiver) receive(ctx context.Context, handle func(payload []byte, parts int)) error {
	for m, err := range s.receiver.Messages(ctx) {
		if err != nil {
			return err
		}
		handle(m.Bytes(), m.Len())
		m.Release()
	}
	return nil // not reached: the last comes with an error
}

type zmqSub struct {
	zmqReceiver
	sub *zmq.Sub
}

func (s zmqSub) subscribe(prefix string) error { return s.sub.Subscribe(prefix) }
