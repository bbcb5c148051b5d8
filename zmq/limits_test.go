package zmq_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// pong sends a PING and waits for its answer, so that everything before it was read.
func (p *rawPeer) pong(context string) {
	p.t.Helper()
	p.write(wire.AppendPing(nil, 0, []byte(context)))
	if name, data := p.command(); name != "PONG" || string(data) != context {
		p.t.Fatalf("PING %q was answered with %s %q", context, name, data)
	}
}

// Peers that are gone are read to their end, although nobody receives, and keep no connection. All that they have sent is
// received later.
func TestGonePeersAreReadToTheirEnd(t *testing.T) {
	t.Parallel()
	const peers, each = 10, 300
	overWires(t, func(t *testing.T, endpoint string, s secured) {
		t.Parallel()
		for kind, make := range map[string]func(testing.TB, zmq.Config) receiver{
			"PUSH":   func(t testing.TB, cfg zmq.Config) receiver { return newPull(t, cfg) },
			"DEALER": newRouterReceiver,
		} {
			socket := make(t, zmq.Config{RecvHWM: 10, Security: s.server})
			at := bind(t, socket, endpoint)
			for i := range peers {
				peer := speakTo(t, at, kind, s)
				var stream []byte
				for n := range each {
					stream = peer.encodeMessage(stream, []byte(strconv.Itoa(i)), []byte(strconv.Itoa(n)))
				}
				peer.write(stream)
				check(t, peer.Close())
			}
			eventually(t, "they are gone", func() bool { return socket.Stats().Peers == 0 })
			next := map[string]int{}
			for range peers * each {
				m := must(socket.Recv(within(t)))(t)
				last := m.Len() - 1
				from := string(m.Frame(last - 1))
				if want := strconv.Itoa(next[from]); string(m.Frame(last)) != want {
					t.Fatalf("%s: received %q of peer %s, want %s", kind, m.Frame(last), from, want)
				}
				next[from]++
				m.Release()
			}
		}
	})
}

func newRouterReceiver(t testing.TB, cfg zmq.Config) receiver {
	t.Helper()
	s := must(zmq.NewRouter(cfg))(t)
	closing(t, s)
	return s
}

// When the budget has no room for the rest of what peers that are gone have sent, their connections are kept, which is
// counted and told. Nothing is lost.
func TestGonePeersAtTheLimit(t *testing.T) {
	t.Parallel()
	const peers, each = 40, 60 // as much as the system has room for, so that it sees the end
	events := make(chan zmq.Event, 1000)
	pull := newPull(t, zmq.Config{RecvHWM: 10, MemoryLimit: 1 << 20, Events: events})
	at := bind(t, pull, wildcard)
	for range peers {
		peer := dialRaw(t, at).greet("PUSH", 1)
		peer.write(bytes.Repeat(message(strings.Repeat("x", 1000)), each))
		check(t, peer.Close())
	}
	eventually(t, "connections are kept", func() bool { return pull.Stats().PeersGone > 0 })
	e := untilEvent(t, events, zmq.EventMemoryLimit)
	var limit *zmq.MemoryLimitError
	if !errors.As(e.Err, &limit) || !errors.Is(e.Err, zmq.ErrMemoryLimit) || limit.Unread == 0 || !strings.Contains(e.Err.Error(), "receives more slowly") {
		t.Errorf("told %v", e.Err)
	}
	if st := pull.Stats(); st.Kept > 2<<20 || st.Peers == 0 {
		t.Errorf("%+v", st)
	}
	for range peers * each {
		recv(t, pull)
	}
	eventually(t, "they are gone", func() bool { st := pull.Stats(); return st.Peers == 0 && st.PeersGone == 0 && st.Kept == 0 })
	if st := pull.Stats(); st.PeersEnded != 0 {
		t.Errorf("%+v", st)
	}
}

// Peers whose messages nobody receives are suspended at the limit, which is told once, and none of them is ended. All that they
// have sent is received later.
func TestUnreadAtTheLimit(t *testing.T) {
	t.Parallel()
	const limit, peers, each = 1 << 20, 4, 2000
	events := make(chan zmq.Event, 1000)
	pull := newPull(t, zmq.Config{RecvHWM: -1, MemoryLimit: limit, Events: events})
	at := bind(t, pull, wildcard)
	var written []<-chan error
	for range peers {
		peer := dialRaw(t, at).greet("PUSH", 1)
		written = append(written, peer.writeAside(bytes.Repeat(message(strings.Repeat("x", 1000)), each)))
	}
	e := untilEvent(t, events, zmq.EventMemoryLimit)
	var told *zmq.MemoryLimitError
	if !errors.As(e.Err, &told) || told.Unread < limit/4 || told.Limit != limit {
		t.Errorf("told %v", e.Err)
	}
	if st := pull.Stats(); st.Kept > limit+peers*256<<10 {
		t.Errorf("%+v", st)
	}
	ctx := within(t)
	for range peers * each {
		m := must(pull.Recv(ctx))(t)
		m.Release()
	}
	for _, w := range written {
		check(t, await(t, "the end of what a peer sends", w))
	}
	if st := pull.Stats(); st.PeersEnded != 0 || st.Peers != peers {
		t.Errorf("%+v", st)
	}
}

// A peer that has ended its side and waits for answers gets them, although the socket was not read from for a while.
func TestHalfClosedPeerGetsAnswers(t *testing.T) {
	t.Parallel()
	const requests, answered = 100, 50
	router := must(zmq.NewRouter(zmq.Config{RecvHWM: 2}))(t)
	closing(t, router)
	peer := dialRaw(t, bind(t, router, wildcard)).greet("DEALER", 1)
	for i := range requests {
		peer.write(message(strconv.Itoa(i)))
	}
	peer.closeWrite()
	for range 3 { // by which it is found out whether the peer is there
		if name, _ := peer.command(); name != "PING" {
			t.Fatalf("received a %s", name)
		}
	}
	for i := range answered {
		m := must(router.Recv(within(t)))(t)
		send(t, router, string(m.Frame(0)), "to "+string(m.Frame(1)))
		m.Release()
		flags, body := peer.frame()
		for flags&wire.FlagCommand != 0 { // one more PING
			flags, body = peer.frame()
		}
		if want := fmt.Sprint("to ", i); string(body) != want {
			t.Fatalf("received %q, want %q", body, want)
		}
	}
}

// What peers have left that are gone holds up no other peer.
func TestLeaversHoldUpNobody(t *testing.T) {
	t.Parallel()
	pull := newPull(t, zmq.Config{RecvHWM: 4})
	at := bind(t, pull, wildcard)
	for range 20 {
		peer := dialRaw(t, at).greet("PUSH", 1)
		peer.write(bytes.Repeat(message("left behind"), 4))
		check(t, peer.Close())
	}
	eventually(t, "they are gone", func() bool { return pull.Stats().Peers == 0 })
	live := dialRaw(t, at).greet("PUSH", 1)
	live.write(message("alive"))
	live.pong("it was read")
	untilReceived(t, pull, "alive")
}

// Strangers that begin messages and do not end them take what the limit allows. Then those with the most are ended, and honest
// peers notice nothing.
func TestHoarders(t *testing.T) {
	const limit, strangers = 8 << 20, 30
	events := make(chan zmq.Event, 1000)
	h := newHonest(t, "PULL", zmq.Config{MemoryLimit: limit, Events: events})
	pull := h.to.(*zmq.Pull)
	before := heap()
	for i := range strangers {
		stranger := dialRaw(t, h.at).greet("PUSH", 1)
		stranger.write(long(0, 100<<20))
		_, _ = stranger.Write(make([]byte, 500<<10+i)) // an error if it is ended meanwhile
		h.passes(t)
		if st := pull.Stats(); st.Kept > limit+1<<20 {
			t.Errorf("%d strangers: %+v", i, st)
		}
		zmq.DropFreeSlabs()
		if grown := heap() - before; grown > limit*3/2+4<<20 {
			t.Errorf("%d strangers: the heap has grown by %d", i, grown)
		}
	}
	eventually(t, "the budget is kept", func() bool { return pull.Stats().Kept <= limit })
	if st := pull.Stats(); st.PeersEnded == 0 || st.Peers <= 1 {
		t.Errorf("%+v", st)
	}
	var limited *zmq.MemoryLimitError
	if e := untilEvent(t, events, zmq.EventMemoryLimit); !errors.As(e.Err, &limited) || limited.Parts < limit/2 {
		t.Errorf("told %v", e.Err)
	}
	if e := untilEvent(t, events, zmq.EventDisconnected); !errors.Is(e.Err, zmq.ErrMemoryLimit) {
		t.Errorf("a stranger was ended because of %v", e.Err)
	}
}

// Of publishers' peers, the one with the most subscriptions is ended, before any of them has reached its own bound.
func TestSubscriptionsAtTheLimit(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"PUB", "XPUB"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			events := make(chan zmq.Event, 1000)
			cfg := zmq.Config{MemoryLimit: 4 << 20, Events: events}
			var s socket
			if kind == "PUB" {
				s = newPub(t, cfg)
			} else {
				s = must(zmq.NewXPub(cfg))(t)
				closing(t, s)
			}
			at := bind(t, s, wildcard)
			honest := dialRaw(t, at).greet("SUB", 1)
			honest.write(subscribe(1, "honest"))
			honest.pong("subscribed")
			for i := range 4 {
				var flood []byte
				for n := range 4000 + i {
					flood = append(flood, subscribe(1, fmt.Sprintf("%d %d", i, n))...)
				}
				stranger := dialRaw(t, at).greet("SUB", 1)
				_, _ = stranger.Write(flood)
			}
			if e := untilEvent(t, events, zmq.EventDisconnected); !errors.Is(e.Err, zmq.ErrMemoryLimit) {
				t.Errorf("a stranger was ended because of %v", e.Err)
			}
			honest.pong("still here")
			most := 4<<20 + 64<<10
			if kind == "XPUB" { // which reports the end of each subscription of those that were ended
				most += 2 << 20
			}
			eventually(t, "the limit is kept", func() bool { return s.Stats().Kept <= most })
		})
	}
}

// The envelope of a request that has no reply yet counts.
func TestEnvelopesCount(t *testing.T) {
	t.Parallel()
	rep := must(zmq.NewRep(zmq.Config{}))(t)
	closing(t, rep)
	peer := dialRaw(t, bind(t, rep, wildcard)).greet("DEALER", 1)
	envelope := strings.Repeat("e", 1<<20)
	written := peer.writeAside(message(envelope, "", "question"))
	expect(t, rep, "question")
	check(t, await(t, "the request is written", written))
	kept := rep.Stats().Kept
	if kept < 1<<20 {
		t.Errorf("%d bytes are kept", kept)
	}
	send(t, rep, "answer")
	if got := peer.message(); got != envelope+"||answer" {
		t.Errorf("received %d bytes", len(got))
	}
	eventually(t, "the envelope is not kept", func() bool { return kept-rep.Stats().Kept >= 1<<20 })
}

// A peer beyond MaxPeers sees its connection end before its handshake is completed, and is told no reason. It is accepted when
// another has gone.
func TestMaxPeers(t *testing.T) {
	t.Parallel()
	const most = 3
	events := make(chan zmq.Event, 1000)
	pull := newPull(t, zmq.Config{MaxPeers: most, Events: events})
	at := bind(t, pull, wildcard)
	var peers []*rawPeer
	for range most {
		peers = append(peers, dialRaw(t, at).greet("PUSH", 1))
	}
	for range 2 {
		more := dialRaw(t, at)
		more.write(greeting(1), ready("PUSH"))
		more.read(wire.GreetingSize)
		more.expectEnd()
		e := untilEvent(t, events, zmq.EventHandshakeFailed)
		if !errors.Is(e.Err, zmq.ErrTooManyPeers) {
			t.Errorf("refused because of %v", e.Err)
		}
	}
	if st := pull.Stats(); st.PeersRefused != 2 || st.Peers != most {
		t.Errorf("%+v", st)
	}
	push := newPush(t, quick)
	check(t, push.Connect(at))
	send(t, push, "late")
	check(t, peers[1].Close())
	expect(t, pull, "late")
	peers[2].write(message("here"))
	expect(t, pull, "here")
}

// What is kept of unread messages is at most about twice what has arrived, whatever their sizes and however they come.
func TestUnreadTakesTwiceItsSize(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes a multiple of the memory that is measured")
	}
	const arrived = 4 << 20
	sizes := func(all ...int) func(i int) []byte {
		return func(i int) []byte { return message(strings.Repeat("x", all[i%len(all)])) }
	}
	for name, next := range map[string]func(i int) []byte{
		"small":                 sizes(20),
		"17 and 40 KiB":         sizes(17<<10, 40<<10),
		"33 KiB":                sizes(33 << 10),
		"20 and 30 KiB, frames": func(i int) []byte { return message(strings.Repeat("x", 5<<10+i%2*10<<10), strings.Repeat("y", 15<<10)) },
		"one large, then small": func(i int) []byte {
			if i == 0 {
				return message(strings.Repeat("x", 1<<20))
			}
			return message("small")
		},
	} {
		pull := newPull(t, zmq.Config{RecvHWM: -1})
		at := bind(t, pull, wildcard)
		peer := dialRaw(t, at).greet("PUSH", 1)
		var stream []byte
		for i := 0; len(stream) < arrived-64<<10; i++ {
			stream = append(stream, next(i)...)
		}
		zmq.DropFreeSlabs()
		before := heap()
		for part := range slices.Chunk(stream, 7001) {
			peer.write(part)
		}
		peer.pong("all is read")
		zmq.DropFreeSlabs()
		grown := heap() - before
		if most := int64(2*len(stream) + 512<<10); grown > most {
			t.Errorf("%s: %d bytes are kept of %d", name, grown, len(stream))
		}
		if st := pull.Stats(); st.Kept > 2*len(stream)+256<<10 || st.Kept < len(stream) {
			t.Errorf("%s: %d bytes are counted of %d", name, st.Kept, len(stream))
		}
		runtime.KeepAlive(stream)
		check(t, pull.Close())
	}
}

// A small message that a peer has left behind keeps little more than its size, whatever else the peer had sent.
func TestLittleLeftTakesLittle(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes a multiple of the memory that is measured")
	}
	const peers = 200
	ctx := within(t)
	pull := newPull(t, zmq.Config{})
	at := bind(t, pull, wildcard)
	zmq.DropFreeSlabs()
	before := heap()
	all := make([]*rawPeer, peers)
	for i := range all {
		all[i] = dialRaw(t, at).greet("PUSH", 1)
		all[i].write(bytes.Repeat(message(strings.Repeat("x", 1000)), 300))
		for range 300 {
			m := must(pull.Recv(ctx))(t)
			m.Release()
		}
	}
	for _, peer := range all {
		peer.write(message("the last"))
		check(t, peer.Close())
	}
	eventually(t, "they are gone", func() bool { return pull.Stats().Peers == 0 })
	zmq.DropFreeSlabs()
	if grown := heap() - before; grown > peers*8<<10 {
		t.Errorf("%d peers have left %d bytes", peers, grown)
	}
	for range peers {
		expect(t, pull, "the last")
	}
	if st := pull.Stats(); st.Kept != 0 {
		t.Errorf("%+v", st)
	}
}

// A subscription is taken for what it is, wherever it lies in what was read and although no memory is taken on the word of its
// peer, since all peers make the socket keep much.
func TestSubscriptionsNearTheLimit(t *testing.T) {
	t.Parallel()
	const limit = 4 << 20
	for minor := range byte(2) {
		pub := newPub(t, zmq.Config{MemoryLimit: limit})
		at := bind(t, pub, wildcard)
		hoarder := dialRaw(t, at).greet("SUB", 1)
		hoarder.write(wire.AppendSubscribe(nil, 1, false, make([]byte, 8*limit))[:limit*9/16])
		eventually(t, "much is kept", func() bool { return pub.Stats().Kept > limit/2 })
		raw := dialRaw(t, at).greet("SUB", minor)
		for size := 15_000; size < 34_000; size += 1000 {
			topic := make([]byte, size)
			for i := range 8 { // each has another place
				topic[0], topic[size-1] = byte(i), byte(size/1000)
				raw.write(wire.AppendSubscribe(nil, minor, false, topic))
			}
			check(t, pub.WaitSubscribers(within(t), string(topic), 1))
			for i := range 8 {
				topic[0] = byte(i)
				raw.write(wire.AppendSubscribe(nil, minor, true, topic))
			}
			eventually(t, "it has ended", func() bool { return pub.WaitSubscribers(ended(), string(topic), 1) != nil })
		}
		if st := pub.Stats(); st.Peers != 2 || st.Kept <= limit/2 {
			t.Errorf("%+v", st)
		}
	}
}

// Reports that an XPUB's program has received do not count any more, also if the peer has subscribed to nothing since.
func TestReceivedReportsDoNotCount(t *testing.T) {
	t.Parallel()
	const n = 200
	xpub := open(t, zmq.NewXPub, zmq.Config{RecvHWM: 10})
	raw := dialRaw(t, bind(t, xpub, wildcard)).greet("SUB", 1)
	before := xpub.Stats().Kept
	topic := func(i int) []byte { return fmt.Appendf(nil, "%04d", i) }
	var all []byte
	for i := range n {
		all = wire.AppendSubscribe(all, 1, false, topic(i))
	}
	raw.write(all)
	check(t, xpub.WaitSubscribers(within(t), string(topic(n-1)), 1))
	for range n {
		recv(t, xpub)
	}
	const each = 600 // a subscription is counted with its length and 512 bytes
	eventually(t, "only subscriptions are kept", func() bool { return xpub.Stats().Kept-before < n*each })
}

// A report of an XPUB counts with its own size until it is received, also if the program receives reports about several peers in
// turn.
func TestEachReportCountsUntilItIsReceived(t *testing.T) {
	t.Parallel()
	const n, small, large = 50, 10, 20_000
	for _, sizes := range [][2]int{{small, large}, {large, small}} {
		xpub := open(t, zmq.NewXPub, zmq.Config{})
		at := bind(t, xpub, wildcard)
		for i, size := range sizes {
			raw := dialRaw(t, at).greet("SUB", 1)
			raw.write(subscriptionsTo(n, func(k int) string { return fmt.Sprintf("%d%0*d", i, size-1, k) }))
			raw.pong("subscribed")
		}
		received := func(size int) (kept int) {
			for range n {
				if m := recv(t, xpub); len(m) != 1+size {
					t.Fatalf("received a report of %d bytes, want %d", len(m), 1+size)
				}
			}
			return xpub.Stats().Kept
		}
		half, all := received(sizes[0]), received(sizes[1])
		if unread := half - all; unread < n*sizes[1] || unread > n*(sizes[1]+500) {
			t.Errorf("%d reports of %d bytes count %d bytes", n, sizes[1], unread)
		}
	}
}
