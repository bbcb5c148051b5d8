package zmq

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/experimance/experimance-go/internal/zmtp"
)

// socket is what every type of socket is made of: endpoints, the pipes to peers, and the queue of received messages.
// A pattern decides how messages are routed to and from the pipes.
type socket struct {
	kind string // as announced to peers: "PUB", "SUB", ...
	cfg  Config
	pat  pattern
	in   *inQueue // nil where the pattern consumes what peers send

	budget *budget // of the memory that peers make the socket keep

	zmtp zmtp.Config
	sink bool // the socket sends no messages, so that there is nothing to linger for

	waits       bool    // Send waits for room, and drops nothing
	parts       bool    // a peer that has ended is of no use, even if something may still come from it
	lends       lending // to receivers
	publishes   bool    // peers may send subscriptions
	self        *Peer   // what inproc peers know of a socket that publishes
	connectOnce bool    // a second Connect to the same endpoint does nothing

	room    waitList // Send waits here for a peer with room
	changed waitList // for those who wait for peers, subscriptions, or the end of a drain

	messagesSent  atomic.Uint64
	bytesSent     atomic.Uint64
	dropped       atomic.Uint64
	discarded     atomic.Uint64
	undelivered   atomic.Uint64 // of those sent: not known to have left when the socket gave them up
	unconfirmed   atomic.Uint64
	eventsDropped atomic.Uint64
	overLimit     atomic.Uint64 // connections
	refused       atomic.Uint64
	goneKept      atomic.Int64

	life   context.Context // ends when the socket is torn down; governs every goroutine of the socket
	kill   context.CancelFunc
	linger context.Context // ends when a closing socket gives up on what is queued
	hurry  context.CancelFunc
	wg     sync.WaitGroup // every goroutine of the socket, and the calls that add some
	done   chan struct{}  // closed when Close has finished

	ackMu    sync.Mutex
	ackTimer *time.Timer // runs checkAcks; nil while there are no tcp connections

	changing sync.Mutex // held while an endpoint is added or taken away, the start of its service included

	closing atomic.Bool // set with mu held

	mu        sync.Mutex
	pipes     map[*pipe]struct{}
	listeners map[string]listener
	dialers   map[string][]*dialer
	peers     int  // pipes with a peer behind them
	counted   int  // pipes that count against Config.MaxPeers
	drained   bool // a Drain has begun: no more endpoints
}

// pattern is what tells one type of socket from another. Its methods are called from many goroutines, without locks held.
type pattern interface {
	// open is called when a connecting socket got a pipe whose queue lives on from connection to connection.
	open(p *pipe)
	// admit reserves what the pattern has but one of for the peer behind the pipe, such as its routing id. It is called before
	// an accepted peer is told by READY that it is accepted. An error refuses the peer for now.
	admit(p *pipe) error
	// attach is called when there is an admitted peer behind the pipe, detach when there is none any more. detach is also
	// called for a peer that was refused or whose handshake failed, and once more for one whose endpoint is given up.
	attach(p *pipe)
	detach(p *pipe)
	// orphaned takes over the messages that waited for a peer that will not come back. roomMade is called when a peer may
	// have room for them. orphans counts those that wait for that.
	orphaned(segs []segment)
	roomMade()
	orphans() int
	// subscription is called for each subscription or cancellation that a peer sent. It returns what the peer's
	// subscriptions cost, in bytes, and what reports about them cost beyond the bounds of the receive queue.
	subscription(p *pipe, topic []byte, cancel bool) (cost, excess int)
}

// noPattern has the methods that most patterns have no use for.
type noPattern struct{}

func (noPattern) open(*pipe)                                          {}
func (noPattern) admit(*pipe) error                                   { return nil }
func (noPattern) attach(*pipe)                                        {}
func (noPattern) detach(*pipe)                                        {}
func (noPattern) roomMade()                                           {}
func (noPattern) orphans() int                                        { return 0 }
func (noPattern) subscription(*pipe, []byte, bool) (cost, excess int) { return 0, 0 }

// listener is a bound endpoint, at which no peers are accepted before start.
type listener interface {
	start()
	// stop refuses new peers, those in their handshake included.
	stop()
}

func newSocket(kind string, cfg Config, receives bool) (*socket, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &socket{
		kind:      kind,
		cfg:       cfg.withDefaults(),
		done:      make(chan struct{}),
		pipes:     map[*pipe]struct{}{},
		listeners: map[string]listener{},
		dialers:   map[string][]*dialer{},
	}
	s.budget = newBudget(s.cfg.MemoryLimit, func(err error) { s.emit(EventMemoryLimit, "", "", err) })
	if receives {
		s.in = &inQueue{cfg: &s.cfg, budget: s.budget, discarded: &s.discarded, emptied: s.changed.wakeAll}
	}
	s.cfg.Conflate = s.cfg.Conflate && slices.Contains([]string{"PUSH", "PULL", "PUB", "SUB", "DEALER"}, kind)
	s.publishes = kind == "PUB" || kind == "XPUB"
	s.self = s.describe()
	s.lends = lendingOf(kind, s.cfg.Conflate)
	s.parts = !slices.Contains([]string{"REQ", "REP", "PAIR"}, kind) // these hold a turn, or a place, for the peer
	s.waits = kind == "PUSH" || kind == "DEALER" || kind == "REQ" || kind == "PAIR"
	s.zmtp = zmtp.Config{SocketType: kind, Identity: s.cfg.Identity, Timeout: s.cfg.HandshakeTimeout}
	if cfg.Security != nil {
		factory, err := cfg.Security.Factory()
		if err != nil {
			return nil, &ConfigError{Field: "Security", Reason: err.Error()}
		}
		s.zmtp.NewMechanism = factory
	}
	s.life, s.kill = context.WithCancel(context.Background())
	s.linger, s.hurry = context.WithCancel(s.life)
	return s, nil
}

// begin starts a call that changes the endpoints, for which Close will wait. It reports false on a closing socket.
// Otherwise the caller calls wg.Done in the end.
func (s *socket) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		return false
	}
	s.wg.Add(1)
	return true
}

// opError wraps a failed call's cause.
func (s *socket) opError(op, endpoint string, err error) error {
	return &OpError{Op: op, Socket: s.kind, Endpoint: endpoint, Err: err}
}

// announceRoom tells waiting senders that a peer may have room. It is called without locks held.
func (s *socket) announceRoom() {
	s.pat.roomMade()
	s.room.wakeAll()
}

var errUnbound = errors.New("the endpoint was unbound meanwhile")

// addPipe registers the pipe to a peer that came in, which counts against Config.MaxPeers or not. It fails if the endpoint is
// not bound any more, or if there are too many peers.
func (s *socket) addPipe(p *pipe, counts bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listeners[p.endpoint] == nil {
		return errUnbound
	}
	if counts {
		if s.counted >= s.cfg.MaxPeers {
			s.refused.Add(1)
			return ErrTooManyPeers
		}
		s.counted++
		p.counted = true
	}
	s.pipes[p] = struct{}{}
	return nil
}

// dropPipe forgets a pipe for good and hands what waited in it to the pattern. What came by it is received still.
func (s *socket) dropPipe(p *pipe) {
	if p.in != nil {
		p.in.leaveBehind()
	}
	s.abandon(p)
	s.mu.Lock()
	delete(s.pipes, p)
	if p.counted {
		p.counted = false
		s.counted--
	}
	s.mu.Unlock()
	s.changed.wakeAll()
}

// allDropped reports whether none of the pipes is registered any more.
func (s *socket) allDropped(pipes []*pipe) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(pipes, func(p *pipe) bool { _, ok := s.pipes[p]; return ok })
}

// abandon closes a pipe's queue and hands what waited in it to the pattern.
func (s *socket) abandon(p *pipe) {
	if segs := p.out.close(); len(segs) > 0 {
		s.pat.orphaned(segs)
		p.out.sent()
	}
	s.changed.wakeAll()
}

// drop counts messages that will not be sent.
func (s *socket) drop(segs []segment) { s.dropped.Add(uint64(discard(segs))) }

// attached tells the pattern and all who wait that there is a peer behind p, which was admitted.
func (s *socket) attached(p *pipe) {
	s.pat.attach(p)
	s.mu.Lock()
	s.peers++
	s.mu.Unlock()
	s.announceRoom()
	s.changed.wakeAll()
}

// detached is the opposite of attached.
func (s *socket) detached(p *pipe) {
	s.pat.detach(p)
	s.mu.Lock()
	s.peers--
	s.mu.Unlock()
	s.changed.wakeAll()
}

// await blocks until cond holds, which is looked at after each change of peers or subscriptions.
func (s *socket) await(ctx context.Context, cond func() bool) error {
	w := s.changed.add()
	defer s.changed.remove(w)
	for {
		if cond() {
			return nil
		}
		if s.life.Err() != nil {
			return ErrClosed
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// WaitPeers waits until the socket has completed a handshake with at least n peers that are still there. It fails with
// the context's error, or ErrClosed.
func (s *socket) WaitPeers(ctx context.Context, n int) error {
	err := s.await(ctx, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.peers >= n || s.closing.Load()
	})
	if err == nil && s.closing.Load() {
		err = ErrClosed
	}
	if err != nil {
		return s.opError("wait for peers", "", err)
	}
	return nil
}

// Close stops the socket: no more messages are accepted or received, blocked calls return ErrClosed, and what is queued is
// sent as far as Config.Linger allows. What could not be sent is counted in Stats.Dropped. Close returns when every
// goroutine and connection of the socket is gone. It may be called any number of times, by many at once.
func (s *socket) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Linger)
	defer cancel()
	return s.Shutdown(ctx)
}

// Shutdown is Close with the time for sending what is queued bounded by ctx instead of Config.Linger: without an end of ctx it
// waits for as long as a peer does not read, or goes on sending and does not end its side. It returns nil also
// where messages were dropped: Stats tells how many. Of several calls at once, the one with the least time decides.
func (s *socket) Shutdown(ctx context.Context) error {
	defer context.AfterFunc(ctx, s.hurry)()
	s.mu.Lock()
	first := !s.closing.Swap(true)
	s.mu.Unlock()
	if first {
		s.shutdown()
		close(s.done)
	}
	<-s.done
	return nil
}

func (s *socket) shutdown() {
	s.changing.Lock()
	s.mu.Lock()
	listeners, dialers := s.listeners, s.dialers
	s.listeners, s.dialers = map[string]listener{}, map[string][]*dialer{}
	s.mu.Unlock()
	s.changing.Unlock()
	for endpoint, l := range listeners {
		l.stop()
		s.emit(EventClosed, endpoint, "", nil)
	}
	if s.in != nil {
		s.in.close()
	}
	s.budget.close()
	s.room.wakeAll()
	s.changed.wakeAll()
	s.drainAll(dialers)
	for endpoint, ds := range dialers {
		for _, d := range ds {
			d.stop()
		}
		s.emit(EventClosed, endpoint, "", nil)
	}
	s.kill()
	for _, p := range s.allPipes() {
		p.cut(net.ErrClosed)
	}
	s.wg.Wait()
	inprocs.settle()
	s.endAcks()
	for _, p := range s.allPipes() {
		s.dropPipe(p)
	}
	s.pat.orphaned(nil) // of a closed socket: what is left is dropped
}

func (s *socket) allPipes() []*pipe {
	s.mu.Lock()
	defer s.mu.Unlock()
	pipes := make([]*pipe, 0, len(s.pipes))
	for p := range s.pipes {
		pipes = append(pipes, p)
	}
	return pipes
}

// drainAll drains every pipe of a closing socket. Messages of lost peers are waited for as long as one of the dialers may
// find a peer for them.
func (s *socket) drainAll(dialers map[string][]*dialer) {
	if s.sink {
		return
	}
	s.drain(s.linger, s.allPipes(), func() bool {
		if s.pat.orphans() == 0 {
			return true
		}
		for _, ds := range dialers {
			if slices.ContainsFunc(ds, (*dialer).running) {
				return false
			}
		}
		return true
	})
}

// drain waits until everything queued in the pipes is sent, their connections are closed in good order, and also holds; or
// until ctx ends.
func (s *socket) drain(ctx context.Context, pipes []*pipe, also func() bool) {
	for _, p := range pipes {
		p.drain()
	}
	w := s.changed.add()
	defer s.changed.remove(w)
	for slices.ContainsFunc(pipes, (*pipe).draining) || !also() {
		select {
		case <-w.ready:
		case <-ctx.Done():
			return
		}
	}
}

// Stats is a snapshot of a socket's counters, all since it was made.
type Stats struct {
	MessagesSent     uint64 // messages handed to the system, or to an inproc peer, without those that Dropped counts later
	BytesSent        uint64 // the size with frame headers of all that was handed over
	Unconfirmed      uint64 // of MessagesSent: on their way when their connection broke, so that the peer may not have them
	MessagesReceived uint64 // messages that Recv returned
	BytesReceived    uint64 // their size with frame headers
	Dropped          uint64 // messages of Send given up: for a full peer (PUB), or not known to have left at the end of Close
	Discarded        uint64 // messages that came and were not handed out: at Close, or because they were no request or reply
	EventsDropped    uint64 // events that Config.Events had no room for
	PeersOverLimit   uint64 // connections ended because the peer went beyond a limit of Config: see ErrLimit
	Queued           int    // messages that wait to be sent or are being written, now
	Peers            int    // peers with a completed handshake, now

	PeersRefused uint64 // peers turned away because of Config.MaxPeers
	PeersEnded   uint64 // of PeersOverLimit: connections ended because of Config.MemoryLimit
	PeersGone    int    // peers that are gone and whose connection is kept, since Config.MemoryLimit has no room for the rest, now
	Kept         int    // bytes of memory that peers make the socket keep, now: see Config.MemoryLimit
}

// Stats returns the socket's counters. It works on a closed socket too. While nothing is queued, every message that was
// accepted for a peer is either sent or dropped. Sent means that the peer's system has it, or will have it unless the
// connection breaks: messages that such a break overtook are counted in Unconfirmed. Over tcp, on Linux, that count is never
// too low, and too high by at most the messages of one write and a twentieth of those that the system has buffered. Other
// systems do not tell, and there it stays 0. What the peer's program does with a message, or a relay between, no socket can
// know.
func (s *socket) Stats() Stats {
	var st Stats
	for _, p := range s.allPipes() {
		st.Queued += p.out.waiting()
	}
	st.Queued += s.pat.orphans()
	undelivered := s.undelivered.Load()
	st.MessagesSent, st.BytesSent = s.messagesSent.Load()-undelivered, s.bytesSent.Load()
	st.Dropped, st.EventsDropped = s.dropped.Load()+undelivered, s.eventsDropped.Load()
	st.PeersOverLimit = s.overLimit.Load()
	st.Unconfirmed, st.Discarded = s.unconfirmed.Load(), s.discarded.Load()
	st.PeersRefused, st.PeersEnded, st.PeersGone = s.refused.Load(), s.budget.ended.Load(), int(s.goneKept.Load())
	s.mu.Lock()
	st.Peers = s.peers
	s.mu.Unlock()
	if s.in != nil {
		s.in.mu.Lock()
		s.in.count()
		n, size := s.in.inHands()
		st.MessagesReceived, st.BytesReceived = s.in.received-uint64(n), s.in.bytes-uint64(size)
		s.in.mu.Unlock()
	}
	st.Kept = clampInt(s.budget.total() - s.budget.sums[keptReserved].Load())
	return st
}
