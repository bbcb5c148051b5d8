package zmq

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// tester is a testing.T or a rapid.T.
type tester interface {
	Helper()
	Fatal(args ...any)
	Cleanup(f func())
}

// opened makes a socket that is closed when the test ends.
func opened[S io.Closer](t tester, newSocket func(Config) (S, error), cfg Config) S {
	t.Helper()
	s, err := newSocket(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // which is nil always
	return s
}

// removed waits until nothing is left of the subscriptions of peers that have gone.
func (d *distributor) removed() {
	for more := true; more; runtime.Gosched() {
		d.changing.Lock()
		more = len(d.departed) > 0 || d.removing
		d.changing.Unlock()
	}
}

// Whatever a peer has subscribed to, its coming and going changes one node at a time while a Send
// would have to wait, and no messages are for it once it has gone.
func TestPeersHoldUpNoSend(t *testing.T) {
	t.Parallel()
	const most = 1000 // nodes under one lock
	for name, c := range map[string]struct {
		n     int
		topic func(i int) []byte
	}{
		"random": {20_000, func(i int) []byte { return fmt.Appendf(nil, "%08d", i*7919%100000007) }},
		"nested": {3000, func(i int) []byte { return bytes.Repeat([]byte("a"), i+1) }},
		"short":  {20_000, func(i int) []byte { return []byte{byte(i), byte(i >> 8)} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pub := opened(t, NewPub, Config{})
			d := &pub.distributor
			lock := &countingLock{Locker: &d.mu, changes: &d.prefix.changes}
			d.prefix.mu = lock
			p, other := newPipe(pub.socket, "one"), newPipe(pub.socket, "other")
			d.attach(p)
			d.attach(other)
			for i := range c.n {
				d.subscription(p, c.topic(i), false)
			}
			d.subscription(other, c.topic(1), false)
			if got := d.subscribers(c.topic(1)); got != 2 {
				t.Errorf("%d subscribers, want 2", got)
			}
			d.detach(p)
			for i := range 10 {
				want := 0
				if bytes.HasPrefix(c.topic(i), c.topic(1)) {
					want = 1
				}
				if got := d.subscribers(c.topic(i)); got != want {
					t.Errorf("when one has gone, %q has %d subscribers, want %d", c.topic(i), got, want)
				}
			}
			d.attach(p) // it is back, and has subscribed to nothing yet
			d.subscription(p, c.topic(2), false)
			if got := d.subscribers(c.topic(0)); got != 0 {
				t.Errorf("what a peer has subscribed to earlier finds %d", got)
			}
			d.removed()
			d.subscription(other, c.topic(1), true)
			d.subscription(p, c.topic(2), true)
			if lock.most == 0 || lock.most > most {
				t.Errorf("%d nodes were changed under one lock", lock.most)
			}
			if d.prefix.root.edges.Load() != nil || d.prefix.ended != 0 || d.sieve.prefixes != 0 || d.sieve.mesh.Load() != nil {
				t.Error("something is left when everybody has gone")
			}
		})
	}
}

// Close does not wait for the removal of subscriptions, and none begins afterwards.
func TestCloseDuringRemoval(t *testing.T) {
	t.Parallel()
	pub := opened(t, NewPub, Config{})
	d := &pub.distributor
	pipes := []*pipe{newPipe(pub.socket, "one"), newPipe(pub.socket, "two")}
	for _, p := range pipes {
		d.attach(p)
		for i := range 20_000 {
			d.subscription(p, fmt.Appendf(nil, "%p %d", p, i), false)
		}
	}
	d.detach(pipes[0])
	if err := pub.Close(); err != nil {
		t.Error(err)
	}
	d.detach(pipes[1])
	d.changing.Lock()
	defer d.changing.Unlock()
	if d.removing {
		t.Error("subscriptions of a closed socket are taken away")
	}
}

// Subscriptions of a peer that has gone count against the limit of memory until they are removed,
// so that peers which subscribe and leave, again and again, cannot make them pile up unnoticed.
func TestDepartedSubscriptionsCount(t *testing.T) {
	t.Parallel()
	pub := opened(t, NewPub, Config{})
	d := &pub.distributor
	d.changing.Lock()
	d.removing = true // by the test
	d.changing.Unlock()
	p := newPipe(pub.socket, "one")
	p.account.open()
	d.attach(p)
	cost := 0
	for i := range 2*removeStep + 1 {
		cost, _ = d.subscription(p, fmt.Append(nil, i), false)
		p.account.set(keptSubscriptions, cost)
	}
	d.detach(p)
	p.account.close()
	d.changing.Lock()
	for more := true; more; more = d.removeSome() {
		if kept := pub.Stats().Kept; kept != cost {
			t.Errorf("%d bytes count while there are subscriptions left, want %d", kept, cost)
		}
	}
	d.removing = false
	d.changing.Unlock()
	if kept := pub.Stats().Kept; kept != 0 {
		t.Errorf("%d bytes count when all are removed", kept)
	}
}

// The end of a subscription of an earlier connection, which is reported late, is not taken for one of
// the present connection, although a connecting XPUB has the same pipe for both.
func TestLateEndIsOfTheEarlierConnection(t *testing.T) {
	t.Parallel()
	xpub := opened(t, NewXPub, Config{Manual: true})
	p := newPipe(xpub.socket, "peer")
	next := func(want string) {
		t.Helper()
		m, err := xpub.Recv(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer m.Release()
		if got := string(m.Bytes()); got != want {
			t.Fatalf("received %q, want %q", got, want)
		}
	}
	xpub.attach(p)
	xpub.subscription(p, []byte("a"), false)
	next("\x01a")
	if err := xpub.Subscribe("a"); err != nil {
		t.Fatal(err)
	}
	xpub.changing.Lock()
	xpub.removing = true // by the test, and late
	xpub.changing.Unlock()
	xpub.detach(p)
	xpub.attach(p)
	xpub.subscription(p, []byte("a"), false)
	xpub.changing.Lock()
	for xpub.removeSome() {
	}
	xpub.removing = false
	xpub.changing.Unlock()
	next("\x01a")
	if err := xpub.Subscribe("a"); err != nil {
		t.Fatal(err)
	}
	next("\x00a")
	if err := xpub.Unsubscribe("a"); err != nil {
		t.Fatal(err)
	}
	if n := xpub.subscribers([]byte("a")); n != 1 {
		t.Errorf("the present connection has %d subscriptions, want 1", n)
	}
}

// reportModel is what an XPUB should have to receive.
type reportModel struct {
	x        *xpublisher
	pipes    []*pipe
	reports  []modelReport // in the order in which they are to be received
	messages [][]string    // of each peer
	sent     int           // messages in all
}

type modelReport struct {
	p    *pipe
	text string
}

// size returns how many messages and reports of a peer were not received, and their bytes on the wire.
func (r *reportModel) size(i int) (n, size int) {
	texts := r.messages[i]
	for _, one := range r.reports {
		if one.p == r.pipes[i] {
			texts = append(texts[:len(texts):len(texts)], one.text)
		}
	}
	for _, text := range texts {
		size += encodedSize([][]byte{[]byte(text)})
	}
	return len(texts), size
}

// receive receives one message or report, if there is one.
func (r *reportModel) receive(t *rapid.T) {
	m, _, err := r.x.s.in.tryRecv()
	if err != nil {
		t.Fatal(err)
	}
	if m.slab == nil {
		return
	}
	got, isReport := string(m.Bytes()), m.slab.report != nil
	defer m.Release()
	if isReport {
		if len(r.reports) == 0 || r.reports[0].text != got {
			t.Fatalf("received the report %q of %+v", got, r.reports)
		}
		r.reports = r.reports[1:]
		return
	}
	i := int(got[0] - 'a')
	if len(r.messages[i]) == 0 || r.messages[i][0] != got {
		t.Fatalf("received %q of %q", got, r.messages[i])
	}
	r.messages[i] = r.messages[i][1:]
}

// check checks what each peer is charged, and all of them together.
func (r *reportModel) check(t *rapid.T) {
	q := r.x.s.in
	q.mu.Lock()
	defer q.mu.Unlock()
	sum := 0
	for i, p := range r.pipes {
		n, size := r.size(i)
		kept := size + n*segmentCost
		if p.in.n != n || p.in.size != size || p.in.kept != int64(kept) {
			t.Fatalf("peer %d is charged for %d messages of %d bytes, which take %d; want %d, %d, %d",
				i, p.in.n, p.in.size, p.in.kept, n, size, kept)
		}
		sum += kept
	}
	if q.kept != int64(sum) {
		t.Fatalf("%d bytes are kept in all, want %d", q.kept, sum)
	}
}

// Whatever peers subscribe to and send, each is charged for its own reports and messages as long as they were not received, and
// reports are received in their order.
func TestPeersAreChargedForTheirReports(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		xpub := opened(t, NewXPub, Config{Verboser: true})
		const peers = 3
		r := &reportModel{x: &xpub.xpublisher, messages: make([][]string, peers)}
		for range peers {
			p := newPipe(xpub.socket, "peer")
			r.x.attach(p)
			r.pipes = append(r.pipes, p)
		}
		end := r.x.ended
		r.x.ended = func(s *subscriptions[*pipe], topic string) {
			r.reports = append(r.reports, modelReport{s.value, "\x00" + topic})
			end(s, topic)
		}
		peer := rapid.IntRange(0, peers-1)
		topics := rapid.StringOfN(rapid.RuneFrom([]rune("ab")), 0, 300, -1)
		t.Repeat(map[string]func(*rapid.T){
			"subscribe": func(t *rapid.T) {
				p, topic, cancel := r.pipes[peer.Draw(t, "peer")], topics.Draw(t, "topic"), rapid.Bool().Draw(t, "cancel")
				text := "\x01" + topic
				if cancel {
					text = "\x00" + topic
				}
				r.reports = append(r.reports, modelReport{p, text})
				r.x.subscription(p, []byte(topic), cancel)
			},
			"send": func(t *rapid.T) {
				i := peer.Draw(t, "peer")
				text := fmt.Sprintf("%c %d", 'a'+i, r.sent)
				r.sent++
				r.messages[i] = append(r.messages[i], text)
				b := appendFrames(nil, [][]byte{[]byte(text)})
				s := &slab{b: b}
				s.refs.Store(1)
				r.pipes[i].in.push(segment{b: b, slab: s, n: 1})
			},
			"come back": func(t *rapid.T) {
				p := r.pipes[peer.Draw(t, "peer")]
				r.x.detach(p)
				r.x.removed()
				r.x.attach(p)
			},
			"receive":  r.receive,
			"receive2": r.receive,
			"":         r.check,
		})
	})
}

// nested is a topic that begins with all shorter ones.
func nested(i int) []byte { return bytes.Repeat([]byte("a"), i+1) }

// The subscriptions of a peer that has gone are removed in steps, each of which visits a bounded
// number of nodes, although an XPUB has to put the prefix of each together.
func TestRemovalVisitsFewNodesAtATime(t *testing.T) {
	t.Parallel()
	const n = 3000
	xpub := opened(t, NewXPub, Config{})
	d := &xpub.distributor
	d.changing.Lock()
	d.removing = true // by the test
	d.changing.Unlock()
	p := newPipe(xpub.socket, "one")
	d.attach(p)
	left := map[string]bool{}
	for i := range n {
		xpub.subscription(p, nested(i), false)
		left[string(nested(i))] = true
	}
	var ended []string
	end := d.ended
	d.ended = func(s *subscriptions[*pipe], topic string) {
		ended = append(ended, topic)
		end(s, topic)
	}
	xpub.detach(p)
	d.changing.Lock()
	defer d.changing.Unlock()
	for more := true; more; {
		depths, depth := make([]int, n+1), 0 // of the nodes before the step, by the length of their prefix
		for length := range depths {
			if length > 0 && left[string(nested(length-1))] {
				depth++
			}
			depths[length] = depth
		}
		ended = ended[:0]
		more = d.removeSome()
		visited := 0
		for _, topic := range ended {
			if !left[topic] {
				t.Fatalf("the end of a prefix of %d bytes is not reported once", len(topic))
			}
			delete(left, topic)
			visited += max(depths[len(topic)]-len(ended), 0) // others above may have been removed first
		}
		if visited > removeStep+depth {
			t.Fatalf("%d nodes are visited in a step that removes %d subscriptions", visited, len(ended))
		}
	}
	d.removing = false
	if len(left) > 0 {
		t.Errorf("the ends of %d prefixes are not reported", len(left))
	}
}

// Peers that have gone without many subscriptions are removed in steps too.
func TestRemovalOfManyPeersIsInSteps(t *testing.T) {
	t.Parallel()
	pub := opened(t, NewPub, Config{})
	d := &pub.distributor
	d.changing.Lock()
	defer d.changing.Unlock()
	d.removing = true // by the test
	const peers = 3 * removeStep
	for i := range peers {
		p := newPipe(pub.socket, "one")
		d.changing.Unlock()
		d.attach(p)
		if i%2 == 0 {
			d.subscription(p, []byte("topic"), false)
		}
		d.detach(p)
		d.changing.Lock()
	}
	for before := peers; d.removeSome(); before = len(d.departed) {
		if removed := before - len(d.departed); removed == 0 || removed > removeStep {
			t.Fatalf("%d of %d peers are removed in a step", removed, peers)
		}
	}
	d.removing = false
	if d.prefix.ended != 0 || d.prefix.root.edges.Load() != nil {
		t.Error("something is left when all have gone")
	}
}

// While the many subscriptions of an inproc peer that has left are removed, other sockets of the
// process can bind and connect.
func TestRemovalHoldsUpNoInproc(t *testing.T) {
	t.Parallel()
	xpub := opened(t, NewXPub, Config{})
	sub, err := NewSub(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	at := "inproc://" + t.Name()
	if _, err := xpub.Bind(at); err != nil {
		t.Fatal(err)
	}
	if err := sub.Connect(at); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * removeAtOnce {
		if err := sub.Subscribe(string(nested(i))); err != nil {
			t.Fatal(err)
		}
	}
	var first sync.Once
	end := xpub.ended
	xpub.changing.Lock()
	xpub.ended = func(s *subscriptions[*pipe], topic string) {
		end(s, topic)
		first.Do(func() {
			free := make(chan struct{})
			go func() {
				inprocs.settle()
				close(free)
			}()
			select {
			case <-free:
			case <-time.After(10 * time.Second):
				t.Error("subscriptions are removed while inproc endpoints are locked")
			}
		})
	}
	xpub.changing.Unlock()
	if err := sub.Close(); err != nil {
		t.Error(err)
	}
	xpub.removed()
	for range 4 * removeAtOnce { // their beginnings, and their ends
		if _, err := xpub.Recv(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// withDueSieve returns a publisher with many subscriptions of one peer, whose sieve is to be made
// anew, and another peer that is subscribed to the topic "other".
func withDueSieve(t *testing.T) (pub *Pub, other *pipe) {
	t.Helper()
	pub = opened(t, NewPub, Config{})
	d := &pub.distributor
	p, other := newPipe(pub.socket, "one"), newPipe(pub.socket, "other")
	d.attach(p)
	d.attach(other)
	for i := range 20 * refineStep {
		d.subscription(p, fmt.Appendf(nil, "%05d", i), false) // as long as the shortest topic
	}
	d.subscription(other, []byte("other"), false)
	d.changing.Lock()
	d.sieve.due = true
	d.changing.Unlock()
	return pub, other
}

// The goroutine that notes the end of a peer, which may hold locks, does not improve the sieve.
func TestLeaverDoesNotRefine(t *testing.T) {
	t.Parallel()
	pub, other := withDueSieve(t)
	d := &pub.distributor
	d.changing.Lock()
	d.leave(other, nil)
	if !d.sieve.due {
		t.Error("the sieve is improved by the goroutine that notes the end of a peer")
	}
	d.changing.Unlock()
	d.removed()
	for due := true; due; runtime.Gosched() {
		d.changing.Lock()
		due = d.sieve.due || d.sieve.making
		d.changing.Unlock()
	}
}

// When a socket is closed, its sieve is not improved any more, and what peers that have gone had
// subscribed to does not count.
func TestCloseEndsRemoval(t *testing.T) {
	t.Parallel()
	pub, other := withDueSieve(t)
	d := &pub.distributor
	d.changing.Lock()
	d.removing = true // by the test
	d.changing.Unlock()
	other.account.set(keptSubscriptions, 1000)
	d.detach(other)
	other.account.close()
	if kept := pub.Stats().Kept; kept != 1000 {
		t.Errorf("%d bytes count before they are removed, want 1000", kept)
	}
	if err := pub.Close(); err != nil {
		t.Error(err)
	}
	d.removeDeparted()
	if !d.sieve.due || d.removing || len(d.departed) > 0 {
		t.Error("the sieve of a closed socket is improved, or a removal goes on")
	}
	if kept := pub.Stats().Kept; kept != 0 {
		t.Errorf("%d bytes of a closed socket count", kept)
	}
}

// WaitSubscribers returns before the sieve is improved, which may take long and changes nothing for
// the messages that are sent.
func TestSubscriptionIsToldBeforeSieveIsImproved(t *testing.T) {
	t.Parallel()
	pub, other := withDueSieve(t)
	d := &pub.distributor
	w := pub.changed.add()
	defer pub.changed.remove(w)
	for i := 0; ; i++ {
		topic := fmt.Appendf(nil, "told %d", i)
		d.changing.Lock()
		d.sieve.due = true
		select {
		case <-w.ready:
		default:
		}
		d.changing.Unlock()
		done := make(chan struct{})
		go func() {
			d.subscription(other, topic, false)
			close(done)
		}()
		for ended := false; !ended; runtime.Gosched() {
			d.changing.Lock()
			during := d.sieve.making
			told := len(w.ready) > 0
			d.changing.Unlock()
			select {
			case <-done:
				ended = true
			default:
			}
			if during {
				if <-done; !told {
					t.Error("the sieve is improved before a subscription is told")
				}
				return
			}
		}
	}
}
