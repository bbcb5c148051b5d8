package zmq

import (
	"context"
	"errors"
	"sync"
)

// Sub is a SUB socket: it receives those messages of its PUB peers that it has subscribed to (RFC 29).
type Sub struct {
	*socket
	subscriber
}

// NewSub makes a SUB socket. Subscribe, and Bind or Connect it next, in any order, and Close it in the end.
func NewSub(cfg Config) (*Sub, error) {
	s, err := newSocket("SUB", cfg, true)
	if err != nil {
		return nil, err
	}
	s.sink, s.connectOnce = true, true
	sub := &Sub{socket: s}
	sub.subscriber = subscriber{s: s, counts: map[string]int{}, peers: map[*pipe]struct{}{}}
	s.pat = &sub.subscriber
	s.in.accept = sub.wanted
	return sub, nil
}

// Recv returns the next message with a matching subscription, and waits for one until ctx ends or the socket is closed.
// Any number of goroutines may receive at once; each message goes to one of them. Messages of one peer come in the order
// in which it sent them, those of several peers in turn.
func (s *Sub) Recv(ctx context.Context) (Message, error) { return s.receive(ctx) }

// Subscribe asks for all messages whose first frame begins with prefix; the empty prefix asks for all. It takes effect at
// each peer some time after it returns (Pub.WaitSubscribers tells a publisher when), and holds for peers to come. The
// same prefix may be subscribed to several times, and must then be unsubscribed from as often.
func (s *Sub) Subscribe(prefix string) error {
	if s.closing.Load() {
		return s.opError("subscribe", "", ErrClosed)
	}
	s.subscriber.subscribe(prefix)
	return nil
}

var errNotSubscribed = errors.New("there is no such subscription")

// Unsubscribe takes one Subscribe back. Messages that came before and were not received yet are not delivered any more.
func (s *Sub) Unsubscribe(prefix string) error {
	if s.closing.Load() {
		return s.opError("unsubscribe", "", ErrClosed)
	}
	if !s.subscriber.unsubscribe(prefix) {
		return s.opError("unsubscribe", "", errNotSubscribed)
	}
	return nil
}

// subscriber is the pattern that asks every peer for the messages it wants.
type subscriber struct {
	noPattern
	s *socket

	mu     sync.Mutex // held while peers are told, so that they hear of all changes in their order
	counts map[string]int
	size   int // bytes that telling a peer of all prefixes takes at most
	peers  map[*pipe]struct{}

	prefix trie[struct{}] // guarded by the receive queue's mu
}

// wanted filters on receipt: a peer may not have heard of an Unsubscribe yet, or not filter at all.
func (s *subscriber) wanted(topic []byte) bool {
	var found [1]struct{}
	return len(s.prefix.match(found[:0], topic)) > 0
}

func (s *subscriber) subscribe(prefix string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts[prefix]++; s.counts[prefix] == 1 {
		s.size += len(prefix) + subscribeSize
		s.s.in.mu.Lock()
		s.prefix.add([]byte(prefix), struct{}{})
		s.s.in.mu.Unlock()
	}
	s.tell([]byte(prefix), false)
}

func (s *subscriber) unsubscribe(prefix string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts[prefix] == 0 {
		return false
	}
	if s.counts[prefix]--; s.counts[prefix] > 0 {
		return true
	}
	delete(s.counts, prefix)
	s.size -= len(prefix) + subscribeSize
	s.s.in.mu.Lock()
	s.prefix.remove([]byte(prefix), struct{}{})
	s.s.in.mu.Unlock()
	s.tell([]byte(prefix), true)
	return true
}

// backlog bounds the bytes of news that wait for a peer that does not read, beside those of all present subscriptions.
const backlog = 1 << 20

// subscribeSize is what a subscription takes on the wire beside its prefix, or more.
const subscribeSize = 32

var errDeaf = errors.New("peer does not take note of subscriptions")

// tell tells the peers of a change. One that has not taken note of many changes is disconnected: if it comes back, it will
// be told the state of things, and no longer how they came about.
func (s *subscriber) tell(topic []byte, cancel bool) {
	for p := range s.peers {
		if p.subscribe(topic, cancel) > backlog+s.size {
			p.cut(errDeaf)
		}
	}
}

// attach tells a new peer, or one that is back, of all subscriptions.
func (s *subscriber) attach(p *pipe) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peers[p] = struct{}{}
	for prefix := range s.counts {
		p.subscribe([]byte(prefix), false)
	}
}

func (s *subscriber) detach(p *pipe) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.peers, p)
}

// orphaned has nothing to take over: a SUB sends no messages.
func (s *subscriber) orphaned([]segment) {}
