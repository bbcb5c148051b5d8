package zmq

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// Receiver is a socket that messages can be received from.
type Receiver interface {
	Recv(ctx context.Context) (Message, error)
}

// Sender is a socket that messages can be sent to.
type Sender interface {
	Send(ctx context.Context, frames ...[]byte) error
}

// patient is a socket that rather fails to send than drops a message, and can wait instead.
type patient interface {
	sendPatiently(ctx context.Context, frames [][]byte) error
}

var (
	_ patient = (*Pub)(nil)
	_ patient = (*XPub)(nil)
)

// Proxy passes messages on between two sockets, in both directions as far as the sockets can receive and send: a ROUTER and
// a DEALER make a broker of requests, an XSUB and an XPUB a forwarder, a PULL and a PUSH a streamer. Its methods may be
// called by any number of goroutines.
type Proxy struct {
	frontend, backend any
	capture           Sender

	forth, back proxyCount

	receiving atomic.Int32 // calls of Recv under way
	paused    atomic.Bool  // set with mu held

	mu      sync.Mutex
	quiet   sync.Cond       // nothing is being received, in a pause
	flow    context.Context // ends at the next Pause
	pause   context.CancelFunc
	resumed chan struct{} // closed while messages flow
}

// proxyCount counts what a Proxy passed on in one direction.
type proxyCount struct {
	messages, bytes, lost atomic.Uint64
}

// ProxyStats is a snapshot of a Proxy's counters.
type ProxyStats struct {
	ToBackend, BytesToBackend   uint64 // messages from the frontend to the backend, and the size of their frames
	ToFrontend, BytesToFrontend uint64 // messages from the backend to the frontend, and the size of their frames
	Lost                        uint64 // messages that were received and not sent, when a Run ended
}

var errProxyIdle = errors.New("zmq: proxy: neither socket can receive what the other can send")

// NewProxy makes a Proxy between two sockets, each a Receiver, a Sender, or both. capture, where it is not nil, is sent a
// copy of each message before it passes. The proxy waits for sockets that wait in Send, capture included, and for a PUB or
// XPUB with Config.NoDrop.
func NewProxy(frontend, backend any, capture Sender) (*Proxy, error) {
	p := &Proxy{frontend: frontend, backend: backend, capture: capture, resumed: make(chan struct{})}
	p.quiet.L = &p.mu
	p.flow, p.pause = context.WithCancel(context.Background())
	close(p.resumed)
	if !joins(frontend, backend) && !joins(backend, frontend) {
		return nil, errProxyIdle
	}
	return p, nil
}

// joins reports whether messages can be passed on from one socket to the other.
func joins(from, to any) bool {
	_, receives := from.(Receiver)
	_, sends := to.(Sender)
	return receives && sends
}

// Run passes messages on until ctx ends, then it returns nil; or until a socket fails, by being closed for example, then it
// returns the socket's error. The sockets stay open. A message that was received and could not be sent by then is counted in
// ProxyStats.Lost.
//
// To end a proxy without losing messages, Drain the sockets that it receives from: each direction ends when everything was
// passed on, and Run returns nil when both have. Then Close the sockets, which sends what is queued.
func (p *Proxy) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	run := func(from, to any, count *proxyCount) {
		if joins(from, to) {
			wg.Go(func() {
				if err := p.pass(ctx, from.(Receiver), to.(Sender), count); !errors.Is(err, ErrDrained) {
					cancel(err)
				}
			})
		}
	}
	run(p.frontend, p.backend, &p.forth)
	run(p.backend, p.frontend, &p.back)
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// pass passes messages on in one direction, from one Pause to the next.
func (p *Proxy) pass(ctx context.Context, from Receiver, to Sender, count *proxyCount) error {
	for {
		flow, resumed := p.state()
		select {
		case <-resumed:
		case <-ctx.Done():
			return ctx.Err()
		}
		err := p.passUntil(ctx, flow, from, to, count)
		interrupted := flow.Err() != nil && ctx.Err() == nil && errors.Is(err, context.Canceled)
		if !interrupted && !errors.Is(err, errPaused) {
			return err
		}
	}
}

var errPaused = errors.New("paused")

// passUntil passes messages on until flow ends. A message that was received then is sent still.
func (p *Proxy) passUntil(ctx, flow context.Context, from Receiver, to Sender, count *proxyCount) error {
	receiving, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(flow, cancel)()
	for {
		m, err := p.receive(receiving, from)
		if err != nil {
			return err
		}
		frames := m.Frames()
		if p.capture != nil {
			err = forward(ctx, p.capture, frames)
		}
		if err == nil {
			err = forward(ctx, to, frames)
		}
		if err != nil {
			count.lost.Add(1)
			return err
		}
		for _, f := range frames {
			count.bytes.Add(uint64(len(f)))
		}
		count.messages.Add(1) // last, so that who sees the message counted sees all of it
		m.Release()
	}
}

// receive receives a message, unless there is a pause.
func (p *Proxy) receive(ctx context.Context, from Receiver) (Message, error) {
	p.receiving.Add(1)
	defer func() {
		if p.receiving.Add(-1) == 0 && p.paused.Load() {
			p.mu.Lock()
			p.quiet.Broadcast()
			p.mu.Unlock()
		}
	}()
	if p.paused.Load() {
		return Message{}, errPaused
	}
	return from.Recv(ctx)
}

func forward(ctx context.Context, to Sender, frames [][]byte) error {
	if p, ok := to.(patient); ok {
		return p.sendPatiently(ctx, frames)
	}
	return to.Send(ctx, frames...)
}

func (p *Proxy) state() (flow context.Context, resumed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.flow, p.resumed
}

// Pause stops the flow. When it returns, what comes from now on waits in the sockets; what was received before is still sent.
func (p *Proxy) Pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.paused.Swap(true) {
		p.resumed = make(chan struct{})
		p.pause()
	}
	for p.paused.Load() && p.receiving.Load() > 0 {
		p.quiet.Wait()
	}
}

// Resume lets messages flow again after Pause.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused.Load() {
		p.flow, p.pause = context.WithCancel(context.Background())
		p.paused.Store(false)
		close(p.resumed)
		p.quiet.Broadcast()
	}
}

// Stats returns what passed so far.
func (p *Proxy) Stats() ProxyStats {
	return ProxyStats{
		ToBackend:       p.forth.messages.Load(),
		BytesToBackend:  p.forth.bytes.Load(),
		ToFrontend:      p.back.messages.Load(),
		BytesToFrontend: p.back.bytes.Load(),
		Lost:            p.forth.lost.Load() + p.back.lost.Load(),
	}
}
