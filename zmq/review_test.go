package zmq_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// Without a bound, a peer may announce the largest frame that there can be, and not take more than its connection.
func TestLargestFrameAnnounced(t *testing.T) {
	t.Parallel()
	pull := newPull(t, zmq.Config{MaxMessageSize: -1})
	at := bind(t, pull, wildcard)
	for less := range uint64(12) {
		head := binary.BigEndian.AppendUint64([]byte{wire.FlagLong}, 1<<63-1-less)
		peer := dialRaw(t, at).greet("PUSH", 1)
		peer.write(message("before"), head, []byte("some"))
		expect(t, pull, "before")
		check(t, peer.Close())
		eventually(t, "the peer is gone", func() bool { return pull.Stats().Peers == 0 })
	}
}

// Requests of several goroutines, each of which gives the last one up, arrive whole.
func TestRelaxedRequestsOfMany(t *testing.T) {
	t.Parallel()
	const senders, each = 8, 2000
	router := must(zmq.NewRouter(zmq.Config{RecvHWM: -1}))(t)
	closing(t, router)
	req := must(zmq.NewReq(zmq.Config{Relaxed: true, Correlate: true, SendHWM: -1}))(t)
	closing(t, req)
	pair(t, router, req, "inproc://"+t.Name())
	var wg sync.WaitGroup
	ctx := within(t)
	sent := make(chan int, senders)
	for i := range senders {
		wg.Go(func() {
			n := 0
			for range each {
				if req.Send(ctx, []byte("request"), []byte(strconv.Itoa(i))) == nil {
					n++
				}
			}
			sent <- n
		})
	}
	wg.Wait()
	total := 0
	for range senders {
		total += <-sent
	}
	for range total - int(req.Stats().Dropped) { // those that the router had not taken when they were given up
		m := must(router.Recv(ctx))(t)
		if m.Len() != 5 || string(m.Frame(3)) != "request" || len(m.Frame(4)) != 1 {
			t.Fatalf("request %q", m.Frames())
		}
		m.Release()
	}
}

// A request that is received after its peer has come back has no reply: the peer would take it for that to another request.
func TestReplyToEarlierConnection(t *testing.T) {
	t.Parallel()
	listener := listenRaw(t)
	rep := must(zmq.NewRep(quick))(t)
	closing(t, rep)
	check(t, rep.Connect(listener.endpoint()))
	early := listener.accept().greet("REQ", 1)
	early.write(message("", "early"))
	eventually(t, "the peer is there", func() bool { return rep.Stats().Peers == 1 })
	early.write(wire.AppendPing(nil, 0, []byte("?")))
	if name, _ := early.command(); name != "PONG" { // so that the request has arrived as well
		t.Fatalf("got %q, want PONG", name)
	}
	check(t, early.Close())
	late := listener.accept().greet("REQ", 1)
	late.write(message("", "late"))
	eventually(t, "the peer is back", func() bool { return rep.Stats().Peers == 1 })
	for _, request := range []string{"early", "late"} {
		expect(t, rep, request)
		send(t, rep, "reply to "+request)
	}
	if got := late.message(); got != "|reply to late" {
		t.Errorf("the peer that is back got %q", got)
	}
	if st := settled(t, rep); st.Dropped != 1 {
		t.Errorf("want the early reply dropped: %+v", st)
	}
}

// A reply to a request that was given up is not taken for the reply to the next one.
func TestReplyToRequestGivenUp(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		cfg := quick
		cfg.Relaxed = true
		rep, req := must(zmq.NewRep(zmq.Config{}))(t), must(zmq.NewReq(cfg))(t)
		closing(t, rep)
		closing(t, req)
		pair(t, rep, req, endpoint)
		for range 100 {
			send(t, req, "given up")
			expect(t, rep, "given up")
			send(t, req, "request")
			send(t, rep, "late reply")
			expect(t, rep, "request")
			send(t, rep, "reply")
			expect(t, req, "reply")
		}
	})
}

// A sender that waits for room at a connected peer finds it when the peer goes away, since more may wait for one that is not
// there.
func TestRoomWhenPeerGoes(t *testing.T) {
	t.Parallel()
	listener := listenRaw(t)
	push := newPush(t, zmq.Config{SendHWM: -1, Linger: -1, ReconnectInterval: time.Hour})
	check(t, push.Connect(listener.endpoint()))
	peer := listener.accept().greet("PULL", 1)
	check(t, push.WaitPeers(within(t), 1))
	const messages = 20
	sent := make(chan error, messages)
	go func() {
		for range messages {
			sent <- push.Send(within(t), bytes.Repeat([]byte("."), 1<<20))
		}
	}()
	eventually(t, "the peer's queue is full", func() bool { return push.Stats().Queued > 1 })
	peer.reset()
	for range messages {
		check(t, await(t, "the sender finds room", sent))
	}
}

// A receiver that throws away what it has unsubscribed from tells every publisher of the room that this makes.
func TestRoomByUnwantedMessages(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	sub := newSub(t, zmq.Config{RecvHWM: 1}, "old", "new")
	pubs := [2]*zmq.Pub{}
	var sent [2]<-chan error
	for i := range pubs {
		pubs[i] = newPub(t, zmq.Config{NoDrop: true, SendHWM: 1})
		check(t, sub.Connect(bind(t, pubs[i], "inproc://"+t.Name()+strconv.Itoa(i))))
		check(t, pubs[i].WaitSubscribers(ctx, "old", 1))
		for err := error(nil); err == nil; {
			err = pubs[i].Send(ctx, []byte("old"))
		}
		pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
		pair(t, pull, push, "inproc://feed"+t.Name()+strconv.Itoa(i))
		proxy := must(zmq.NewProxy(pull, pubs[i], nil))(t)
		sent[i] = inBackground(func() error { return proxy.Run(ctx) })
		send(t, push, "new")
		eventually(t, "the proxy has taken its message", func() bool { return push.Stats().Queued == 0 })
		t.Cleanup(func() {
			check(t, pull.Close())
			_ = await(t, "the proxy's end", sent[i])
		})
	}
	check(t, sub.Unsubscribe("old"))
	expect(t, sub, "new", "new")
}

// When an inproc peer goes away, its part of the bounds goes with it.
func TestBoundsAfterInproc(t *testing.T) {
	t.Parallel()
	pull, push := newPull(t, zmq.Config{RecvHWM: 100}), newPush(t, zmq.Config{SendHWM: 5, Linger: -1})
	at := pair(t, pull, push, "inproc://"+t.Name())
	check(t, pull.Unbind(at))
	load, stop := context.WithCancel(within(t))
	sent := inBackground(func() (n int) {
		for push.Send(load, []byte("message")) == nil {
			n++
		}
		return n
	})
	eventually(t, "the queue is full", func() bool { return push.Stats().Queued >= 5 })
	stop()
	if n := await(t, "the sender", sent); n != 5 {
		t.Errorf("%d messages wait, want 5", n)
	}
}
