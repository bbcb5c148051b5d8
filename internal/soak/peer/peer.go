// Package peer has the sockets of a soak. They send numbered messages, and report the messages that they
// send and receive. [Open] opens a socket in this process, [Serve] runs one in a process of its own, and
// libzmq/peer.c is a program that does the same with libzmq.
//
// A PUSH, PUB, XPUB, DEALER, REQ or PAIR sends a stream of messages from Begin to Stop. A REQ sends the
// next request when it has the reply to the last one, or an error instead. A ROUTER or REP replies to
// each message with a message of its own.
//
// # Concurrency
//
// A peer has one goroutine that receives, one that sends its own stream, and one that counts the events
// of the socket. Close waits for all of them. They call the function given to Open, which must not call
// methods of the peer.
package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// socket has the methods that all types have.
type socket interface {
	Bind(endpoint string) (string, error)
	Unbind(resolved string) error
	Connect(endpoint string) error
	Disconnect(endpoint string) error
	Stats() zmq.Stats
	Shutdown(ctx context.Context) error
}

type sender interface {
	Send(ctx context.Context, frames ...[]byte) error
}

type batchSender interface {
	SendEach(ctx context.Context, bodies [][]byte) (int, error)
}

type sharingSender interface {
	SendZeroCopy(ctx context.Context, frames ...[]byte) error
}

type drainer interface {
	Drain(ctx context.Context) error
}

type receiver interface {
	Recv(ctx context.Context) (zmq.Message, error)
}

// newSocket makes a socket of a type.
func newSocket(kind string, cfg zmq.Config) (socket, error) {
	switch kind {
	case "PUSH":
		return zmq.NewPush(cfg)
	case "PULL":
		return zmq.NewPull(cfg)
	case "PUB":
		return zmq.NewPub(cfg)
	case "SUB":
		s, err := zmq.NewSub(cfg)
		if err != nil {
			return nil, err
		}
		return s, s.Subscribe("")
	case "XPUB":
		return zmq.NewXPub(cfg)
	case "XSUB":
		s, err := zmq.NewXSub(cfg)
		if err != nil {
			return nil, err
		}
		return s, s.Subscribe("")
	case "DEALER":
		return zmq.NewDealer(cfg)
	case "ROUTER":
		return zmq.NewRouter(cfg)
	case "REQ":
		return zmq.NewReq(cfg)
	case "REP":
		return zmq.NewRep(cfg)
	case "PAIR":
		return zmq.NewPair(cfg)
	}
	return nil, fmt.Errorf("no socket type %q", kind)
}

// Peer is an open socket of a soak.
type Peer struct {
	cfg    Config
	report func(Event)
	socket socket
	ready  string

	receiving context.Context // ends when the socket is closed
	end       context.CancelFunc
	sending   context.Context // ends at Stop
	stop      context.CancelFunc
	received  sync.WaitGroup
	sent      sync.WaitGroup

	events   chan zmq.Event
	counted  chan struct{}
	closing  sync.Once
	counters Counters // of the counting goroutine, until counted is closed

	replies map[uint64]uint64 // how many were sent to each stream; of the receiving goroutine
}

// eventRoom is the capacity of the channel for events of the socket.
const eventRoom = 1024

// Open opens a socket and begins to receive. report is called with each event, also concurrently.
func Open(cfg Config, report func(Event)) (*Peer, error) {
	p := &Peer{
		cfg: cfg, report: report, events: make(chan zmq.Event, eventRoom), counted: make(chan struct{}), replies: map[uint64]uint64{},
	}
	zcfg, err := cfg.socket(p.events)
	if err != nil {
		return nil, err
	}
	if cfg.has(Proxy) {
		p.socket, err = newProxied(cfg, zcfg)
	} else {
		p.socket, err = newSocket(cfg.Type, zcfg)
	}
	if err != nil {
		return nil, err
	}
	p.receiving, p.end = context.WithCancel(context.Background())
	p.sending, p.stop = context.WithCancel(context.Background())
	go p.count()
	if err := p.join(); err != nil {
		_ = p.Close(0) // always nil
		return nil, err
	}
	if r, ok := p.socket.(receiver); ok && cfg.Type != "REQ" {
		p.received.Go(func() { p.receive(r) })
	}
	return p, nil
}

// join binds and connects the socket.
func (p *Peer) join() (err error) {
	if p.cfg.Bind != "" {
		if p.ready, err = p.socket.Bind(p.cfg.Bind); err != nil {
			return err
		}
	}
	for _, endpoint := range p.cfg.Connect {
		if err := p.socket.Connect(endpoint); err != nil {
			return err
		}
	}
	return nil
}

// Rejoin leaves all endpoints and joins them again. It reports Joined.
func (p *Peer) Rejoin() {
	leave := func() error {
		if p.ready != "" {
			return p.socket.Unbind(p.ready)
		}
		for _, endpoint := range p.cfg.Connect {
			if err := p.socket.Disconnect(endpoint); err != nil {
				return err
			}
		}
		return nil
	}
	err := leave()
	if p.ready != "" {
		p.cfg.Bind = p.ready
	}
	if err == nil {
		err = p.join()
	}
	for wait := time.Millisecond; errors.Is(err, syscall.EADDRINUSE) && wait < time.Second; wait *= 2 {
		time.Sleep(wait) // a process that is being started has the old descriptor for a moment
		err = p.join()
	}
	if err != nil {
		p.fault("rejoin: %v", err)
	}
	p.report(Event{Kind: Joined})
}

// Endpoint returns the bound endpoint, or an empty string.
func (p *Peer) Endpoint() string { return p.ready }

// Begin starts the peer's own stream, if its type has one. It may be called once.
func (p *Peer) Begin() {
	s, ok := p.socket.(sender)
	switch {
	case !ok || p.cfg.Rate == 0 || !slices.Contains([]string{"PUSH", "PUB", "XPUB", "DEALER", "REQ", "PAIR"}, p.cfg.Type):
	case p.cfg.Type == "REQ":
		p.sent.Go(func() { p.request(p.socket.(*zmq.Req)) })
	default:
		p.sent.Go(func() { p.send(s) })
	}
}

// Stop ends the peer's own stream, and returns when the last call of Send has returned. A REQ also waits
// for its last reply, until ctx ends.
func (p *Peer) Stop(ctx context.Context) {
	p.stop()
	defer context.AfterFunc(ctx, p.end)()
	p.sent.Wait()
}

// Drain drains the socket, if its type can be drained, until ctx ends. It reports Drained.
func (p *Peer) Drain(ctx context.Context) {
	e := Event{Kind: Drained}
	if d, ok := p.socket.(drainer); ok {
		if err := d.Drain(ctx); err != nil {
			e.Text = strings.ReplaceAll(err.Error(), "\n", "; ") // an event is a line
		}
	}
	p.report(e)
}

// Close closes the socket with a linger time, and returns when all goroutines have ended. It reports
// Closed as the last event. It may be called any number of times, and always returns nil.
func (p *Peer) Close(linger time.Duration) error {
	p.closing.Do(func() { p.close(linger) })
	return nil
}

func (p *Peer) close(linger time.Duration) {
	p.stop()
	ctx, cancel := context.WithTimeout(context.Background(), linger)
	defer cancel()
	_ = p.socket.Shutdown(ctx) // always nil
	p.end()
	p.sent.Wait()
	p.received.Wait()
	close(p.events) // a closed socket sends none
	<-p.counted
	st := p.socket.Stats()
	if st.EventsDropped > 0 {
		p.fault("%d events had no room", st.EventsDropped)
	}
	if st.Queued > 0 || st.Peers > 0 {
		p.fault("a closed socket has %d messages queued and %d peers", st.Queued, st.Peers)
	}
	p.counters.Sent, p.counters.Dropped, p.counters.Unconfirmed = st.MessagesSent, st.Dropped, st.Unconfirmed
	p.counters.Discarded = st.Discarded
	p.report(Event{Kind: Closed, Text: p.counters.String()})
}

func (p *Peer) fault(format string, args ...any) {
	p.report(Event{Kind: Fault, Text: fmt.Sprintf(format, args...)})
}

// count counts the events of the socket. It reports a Fault unless each connection has one event for its
// end, with a cause.
func (p *Peer) count() {
	defer close(p.counted)
	ended := uint64(0)
	for e := range p.events {
		switch e.Kind {
		case zmq.EventHandshakeSucceeded:
			p.counters.Connections++
		case zmq.EventDisconnected:
			ended++
			switch {
			case e.Err == nil && e.Peer != "":
				p.fault("a connection has ended for no reason: %+v", e)
			case e.Err != nil && strings.Contains(e.Err.Error(), "nothing came from the peer"):
				p.counters.Silent++
			}
		}
	}
	if ended != p.counters.Connections {
		p.fault("%d handshakes have succeeded, and %d connections ended", p.counters.Connections, ended)
	}
}

// own returns the number of the peer's own stream.
func (p *Peer) own() uint64 { return p.cfg.Base << 32 }

// pace limits the rate of a sender, which sends in bursts.
type pace struct {
	*time.Ticker
	burst int
	left  int
}

// burstTime is the time between two bursts.
const burstTime = 20 * time.Millisecond

func newPace(rate int) *pace {
	return &pace{Ticker: time.NewTicker(burstTime), burst: max(1, rate*int(burstTime/time.Millisecond)/1000)}
}

// next returns how many messages the sender may send. If there are none, it waits for the next burst. It
// returns 0 if ctx has ended.
func (p *pace) next(ctx context.Context) int {
	if p.left > 0 {
		return p.left
	}
	select {
	case <-p.C:
		p.left = p.burst
	case <-ctx.Done():
	}
	return p.left
}

// send sends the peer's own stream.
func (p *Peer) send(s sender) {
	stream, number := p.own(), uint64(0)
	pace := newPace(p.cfg.Rate)
	defer pace.Stop()
	for {
		n := pace.next(p.sending)
		if n == 0 {
			return
		}
		n, err := p.sendSome(s, stream, number, n)
		pace.left -= n
		if number += uint64(n); n > 0 {
			p.report(Event{Kind: Sent, Stream: stream, Number: number})
		}
		switch {
		case err == nil:
		case errors.Is(err, zmq.ErrWouldDrop):
			pace.left = 0 // try again with the next burst
		default:
			if p.sending.Err() == nil {
				p.fault("send: %v", err)
			}
			return
		}
	}
}

// slowAfter is the number of messages between two pauses of a slow receiver.
const slowAfter = 64

// batch is the largest number of messages in one call.
const batch = 16

// sendSome sends up to n messages, and returns how many were accepted.
func (p *Peer) sendSome(s sender, stream, number uint64, n int) (int, error) {
	each, batches := s.(batchSender)
	sharing, shares := s.(sharingSender)
	var err error
	switch frames := build(p.cfg.Shape, stream, number); {
	case p.cfg.Calls == Batch && batches && p.cfg.Shape != Parts:
		bodies := [][]byte{frames[0]}
		for i := 1; i < min(n, batch); i++ {
			bodies = append(bodies, build(p.cfg.Shape, stream, number+uint64(i))[0])
		}
		return each.SendEach(p.sending, bodies)
	case p.cfg.Calls == Loop && shares:
		err = sharing.SendZeroCopy(p.sending, frames...)
	default:
		err = s.Send(p.sending, frames...)
	}
	if err != nil {
		return 0, err
	}
	return 1, nil
}

// request sends requests and receives their replies.
func (p *Peer) request(req *zmq.Req) {
	stream := p.own()
	pace := newPace(p.cfg.Rate)
	defer pace.Stop()
	for number := uint64(0); pace.next(p.sending) > 0; number++ {
		if err := req.Send(p.sending, build(p.cfg.Shape, stream, number)...); err != nil {
			if p.sending.Err() == nil {
				p.fault("request: %v", err)
			}
			return
		}
		pace.left--
		p.report(Event{Kind: Sent, Stream: stream, Number: number + 1})
		m, err := req.Recv(p.receiving)
		switch {
		case errors.Is(err, zmq.ErrPeerGone):
			p.report(Event{Kind: Lost})
		case err != nil:
			if !p.over(err) {
				p.fault("reply: %v", err)
			}
			return
		default:
			p.take(m.Frames()[1:], 0)
			if at := m.Frame(0); !bytes.Equal(at, label(number)) {
				p.fault("the reply to request %x came as that to request %d", at, number)
			}
			m.Release()
		}
	}
}

// label is the first frame of a reply: the number of the request.
func label(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }

// take verifies a received message and reports it.
func (p *Peer) take(frames [][]byte, connection int) (stream, number uint64) {
	stream, number, err := parse(p.cfg.Shape, frames)
	if err != nil {
		p.fault("%v", err)
	}
	p.report(Event{Kind: Got, Stream: stream, Number: number, Connection: connection})
	return stream, number
}

// receive receives, and replies if the type of the socket does, until the socket is closed.
func (p *Peer) receive(r receiver) {
	connections := map[*zmq.Peer]int{}
	n := 0
	handle := func(m *zmq.Message) {
		connection := 0
		if from := m.Peer(); from.Address != "" { // over inproc, all connections of a publisher share one Peer
			if connections[from] == 0 {
				connections[from] = len(connections) + 1
			}
			connection = connections[from]
		}
		p.handle(m.Frames(), connection)
		m.Release()
		if n++; n%slowAfter == 0 && p.cfg.Slow > 0 {
			rest := time.NewTimer(p.cfg.Slow)
			defer rest.Stop()
			select {
			case <-rest.C:
			case <-p.receiving.Done():
			}
		}
	}
	if err := p.receiveAll(r, handle); !p.over(err) {
		p.fault("receive: %v", err)
	}
}

// over reports whether err is the error of a closed or drained socket.
func (p *Peer) over(err error) bool {
	return p.receiving.Err() != nil || errors.Is(err, zmq.ErrClosed) || errors.Is(err, zmq.ErrDrained)
}

// receiveAll calls handle with each message until there is an error, which it returns.
func (p *Peer) receiveAll(r receiver, handle func(*zmq.Message)) error {
	each, batches := r.(interface {
		RecvEach(ctx context.Context, into []zmq.Message) (int, error)
	})
	loop, loops := r.(interface {
		Messages(ctx context.Context) iter.Seq2[zmq.Message, error]
	})
	switch {
	case p.cfg.Calls == Batch && batches:
		into := make([]zmq.Message, batch)
		for {
			n, err := each.RecvEach(p.receiving, into)
			if err != nil {
				return err
			}
			for i := range into[:n] {
				handle(&into[i])
			}
		}
	case p.cfg.Calls == Loop && loops:
		for m, err := range loop.Messages(p.receiving) {
			if err != nil {
				return err
			}
			handle(&m)
		}
	}
	for {
		m, err := r.Recv(p.receiving)
		if err != nil {
			return err
		}
		handle(&m)
	}
}

// handle reports a message, and replies to it.
func (p *Peer) handle(frames [][]byte, connection int) {
	switch p.cfg.Type {
	case "XPUB": // a subscription
	case "ROUTER":
		id := append([]byte(nil), frames[0]...)
		asked, _ := p.take(frames[1:], connection)
		p.answer(asked, id)
	case "REP":
		asked, number := p.take(frames, connection)
		p.answer(asked, label(number))
	default:
		p.take(frames, connection)
	}
}

// answer sends the next message of the stream of replies to another stream. The first frame is the routing
// id or the label.
func (p *Peer) answer(asked uint64, before []byte) {
	stream, number := p.own()|asked>>32, p.replies[asked]
	frames := append([][]byte{before}, build(p.cfg.Shape, stream, number)...)
	err := p.socket.(sender).Send(p.receiving, frames...)
	switch {
	case err == nil:
		p.replies[asked] = number + 1
		p.report(Event{Kind: Sent, Stream: stream, Number: number + 1})
	case !errors.Is(err, zmq.ErrUnroutable) && !p.over(err):
		p.fault("answer: %v", err)
	}
}
