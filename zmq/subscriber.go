package zmq

import (
	"errors"
	"sync"
)

var errNotSubscribed = errors.New("there is no such subscription")

// subscriber is the pattern that asks every peer for the messages it wants.
type subscriber struct {
	noPattern
	s *socket

	mu     sync.Mutex // held while peers are told, so that they hear of all changes in their order
	counts map[string]int
	size   int // bytes that telling a peer of all prefixes takes at most
	peers  map[*pipe]struct{}

	prefix trie[struct{}]           // changed with mu and the receive queue's mu held
	all    *subscriptions[struct{}] // in prefix; guarded by mu
}

func (s *subscriber) init(base *socket) {
	s.s, s.counts, s.peers = base, map[string]int{}, map[*pipe]struct{}{}
	s.prefix.mu, s.all = &base.in.mu, newSubscriptions(struct{}{})
	base.in.accept = s.wanted
}

// change subscribes, or takes a subscription back.
func (s *subscriber) change(prefix string, cancel bool) error {
	op := "subscribe"
	if cancel {
		op = "unsubscribe"
	}
	if s.s.closing.Load() {
		return s.s.opError(op, "", ErrClosed)
	}
	if !cancel {
		s.subscribe(prefix)
	} else if !s.unsubscribe(prefix) {
		return s.s.opError(op, "", errNotSubscribed)
	}
	return nil
}

// wanted filters on receipt: a peer may not have heard of an Unsubscribe yet, or not filter at all.
func (s *subscriber) wanted(topic []byte) bool {
	return s.prefix.matches(topic) != s.s.cfg.InvertMatching
}

func (s *subscriber) subscribe(prefix string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts[prefix]++; s.counts[prefix] == 1 {
		s.size += len(prefix) + subscribeSize
		s.prefix.put(s.prefix.reach([]byte(prefix)), s.all)
	}
	s.tell([]byte(prefix), false)
}

// unsubscribe reports false where there is no such subscription.
func (s *subscriber) unsubscribe(prefix string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.counts[prefix]
	switch n {
	case 0:
	case 1:
		delete(s.counts, prefix)
		s.size -= len(prefix) + subscribeSize
		s.prefix.take(s.prefix.find([]byte(prefix)), s.all)
	default:
		s.counts[prefix]--
	}
	verbose := s.s.cfg.VerboseUnsubscribe && s.s.kind == "XSUB"
	if n == 1 || verbose {
		s.tell([]byte(prefix), true)
	}
	return n > 0 || verbose
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

// orphaned counts the messages of an XSUB to a publisher that is gone.
func (s *subscriber) orphaned(segs []segment) { s.s.drop(segs) }
