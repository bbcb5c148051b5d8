// Package peer has the sockets of a soak: they send numbered messages and tell which they have received. [Open] makes one in
// this process, [Serve] runs one as a process of its own, and libzmq/peer.c is a program that does the same with libzmq.
//
// What a socket does depends on its type. PUSH, PUB, XPUB, DEALER, REQ and PAIR send of their own accord, from Begin to Stop. ROUTER
// and REP answer each message with one of their own. A REQ sends the next request when the last one was answered, or given up.
//
// # Concurrency
//
// A peer has a goroutine that receives, one that sends of its own accord, and one that counts the socket's events; Close waits
// for all of them. They call the function that was given to Open, which must therefore not call the peer's methods.
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
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// socket is what all types have in common.
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

// Peer is an open socket that does its part in a soak.
type Peer struct {
	cfg    Config
	tell   func(Event)
	socket socket
	ready  string

	receiving context.Context // ends when the socket is closed
	end       context.CancelFunc
	sending   context.Context // ends with Stop
	stop      context.CancelFunc
	received  sync.WaitGroup
	sent      sync.WaitGroup

	events   chan zmq.Event
	counted  chan struct{}
	counters Counters // of the goroutine that counts; final when counted is closed

	replies map[uint64]uint64 // how many there are on each stream; the receiving goroutine's
}

// eventRoom is how many events may wait to be counted.
const eventRoom = 1024

// Open opens a socket and begins to receive. tell is called with each event, by several goroutines at once.
func Open(cfg Config, tell func(Event)) (*Peer, error) {
	p := &Peer{
		cfg: cfg, tell: tell, events: make(chan zmq.Event, eventRoom), counted: make(chan struct{}), replies: map[uint64]uint64{},
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

// Rejoin leaves all endpoints, and joins them again. It tells Joined.
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
	if err != nil {
		p.fault("rejoin: %v", err)
	}
	p.tell(Event{Kind: Joined})
}

// Endpoint returns the endpoint that the socket has bound; "" for none.
func (p *Peer) Endpoint() string { return p.ready }

// Begin has the peer send of its own accord, if its type does that. It is called once at most.
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

// Stop ends what Begin has begun, and returns when nothing more is sent of the peer's own accord. A REQ waits for the reply to
// its last request until ctx ends.
func (p *Peer) Stop(ctx context.Context) {
	p.stop()
	defer context.AfterFunc(ctx, p.end)()
	p.sent.Wait()
}

// Drain drains the socket, if its type has that, until ctx ends. It tells Drained.
func (p *Peer) Drain(ctx context.Context) {
	e := Event{Kind: Drained}
	if d, ok := p.socket.(drainer); ok {
		if err := d.Drain(ctx); err != nil {
			e.Text = err.Error()
		}
	}
	p.tell(e)
}

// Close closes the socket, which sends what it has queued for a time, and returns when all goroutines have ended. The last
// event is Closed. Its error is always nil.
func (p *Peer) Close(linger time.Duration) error {
	p.stop()
	ctx, cancel := context.WithTimeout(context.Background(), linger)
	defer cancel()
	_ = p.socket.Shutdown(ctx) // always nil
	p.end()
	p.sent.Wait()
	p.received.Wait()
	close(p.events) // nothing comes from a closed socket
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
	p.tell(Event{Kind: Closed, Text: p.counters.String()})
	return nil
}

func (p *Peer) fault(format string, args ...any) {
	p.tell(Event{Kind: Fault, Text: fmt.Sprintf(format, args...)})
}

// count counts the socket's events. Each connection whose handshake succeeded is told to have ended, and why.
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

// own is the stream of what is sent of the peer's own accord.
func (p *Peer) own() uint64 { return p.cfg.Base << 32 }

// pace lets a sender send at the configured rate, in bursts.
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

// next waits for the next burst if the last one is over. It returns how many messages may be sent, 0 if ctx has ended.
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

// send sends messages of the peer's own accord.
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
			p.tell(Event{Kind: Sent, Stream: stream, Number: number})
		}
		switch {
		case err == nil:
		case errors.Is(err, zmq.ErrWouldDrop):
			pace.left = 0 // tried again with the next burst
		default:
			if p.sending.Err() == nil {
				p.fault("send: %v", err)
			}
			return
		}
	}
}

// slowAfter is how many messages a slow receiver receives before it rests.
const slowAfter = 64

// batch is how many messages are sent or received with one call at most.
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
		p.tell(Event{Kind: Sent, Stream: stream, Number: number + 1})
		m, err := req.Recv(p.receiving)
		switch {
		case errors.Is(err, zmq.ErrPeerGone):
			p.tell(Event{Kind: Lost})
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

// label is the frame that goes before the reply to a request.
func label(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }

// take tells of a message that was received.
func (p *Peer) take(frames [][]byte, connection int) (stream, number uint64) {
	stream, number, err := parse(p.cfg.Shape, frames)
	if err != nil {
		p.fault("%v", err)
	}
	p.tell(Event{Kind: Got, Stream: stream, Number: number, Connection: connection})
	return stream, number
}

// receive receives until the socket is closed, and answers if the socket's type does that.
func (p *Peer) receive(r receiver) {
	connections := map[*zmq.Peer]int{}
	n := 0
	handle := func(m *zmq.Message) {
		connection := 0
		if from := m.Peer(); from.Address != "" { // over inproc all connections of a publisher have one Peer
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

// over reports whether a call has failed because the socket is closed or drained.
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

// handle tells of a message, and answers it.
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

// answer sends the next message of the stream of answers to another stream, behind a frame that leads or belongs to it.
func (p *Peer) answer(asked uint64, before []byte) {
	stream, number := p.own()|asked>>32, p.replies[asked]
	frames := append([][]byte{before}, build(p.cfg.Shape, stream, number)...)
	err := p.socket.(sender).Send(p.receiving, frames...)
	switch {
	case err == nil:
		p.replies[asked] = number + 1
		p.tell(Event{Kind: Sent, Stream: stream, Number: number + 1})
	case !errors.Is(err, zmq.ErrUnroutable) && !p.over(err):
		p.fault("answer: %v", err)
	}
}
