package messaging_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
	"github.com/experimance/experimance-go/zmq"
)

func startPusher(t testing.TB, carrier string, cfg messaging.Config) (*messaging.Pusher, *running) {
	t.Helper()
	p := newPusher(t, messaging.PusherConfig{Address: freeAddress(carrier), Config: cfg})
	return p, run(t, p)
}

func TestPushReachesHandler(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p, _ := startPusher(t, carrier, messaging.Config{})
		w := newPuller(t, messaging.PullerConfig{Address: p.PushAddresses()[0]})
		got := make(chan event, 1)
		check(t, messaging.HandleTask(w, func(_ context.Context, e event) error { got <- e; return nil }))
		run(t, w)
		check(t, p.Push(testContext(t), event{Type: messaging.TypeTask, N: 1}))
		if e := receive(t, got); e != (event{Type: "Task", N: 1}) {
			t.Errorf("got %+v", e)
		}
		check(t, p.PushRaw(testContext(t), []byte(`{"n":2}`)))
		if e := receive(t, got); e.N != 2 {
			t.Errorf("got %+v", e)
		}
		if sent, received := p.Stats().MessagesSent, w.Stats().MessagesReceived; sent != 2 || received != 2 {
			t.Errorf("sent %d, received %d", sent, received)
		}
	})
}

func TestPushOnTheWire(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p, _ := startPusher(t, carrier, messaging.Config{})
		peer := must[*zmq.Pull](t)(zmq.NewPull(zmq.Config{}))
		t.Cleanup(func() { check(t, peer.Close()) })
		check(t, peer.Connect(p.PushAddresses()[0]))
		check(t, p.Push(testContext(t), event{Type: "Task", N: 1}))
		m := must[zmq.Message](t)(peer.Recv(testContext(t)))
		if m.Len() != 1 || string(m.Bytes()) != `{"type":"Task","n":1}` {
			t.Errorf("%d frames, first %q", m.Len(), m.Bytes())
		}
	})
}

func TestPushRefusesWhatIsNoObject(t *testing.T) {
	t.Parallel()
	p, _ := startPusher(t, "inproc", messaging.Config{})
	wantError(t, p.Push(t.Context(), []string{"a"}), messaging.ErrNotObject, "push by push", "[]string")
	wantError(t, p.PushRaw(t.Context(), []byte("{")), messaging.ErrNotObject)
}

func TestPushNeedsStartedService(t *testing.T) {
	t.Parallel()
	p := newPusher(t, messaging.PusherConfig{Address: freeAddress("inproc")})
	wantError(t, p.Push(t.Context(), event{}), service.ErrState, "Push", "initialized")
	run(t, p).stop(t)
	wantError(t, p.Push(t.Context(), event{}), service.ErrState, "stopped")
}

func TestPushWaitsForPeer(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p, _ := startPusher(t, carrier, messaging.Config{})
		pushed := make(chan error, 1)
		go func() { pushed <- p.Push(testContext(t), event{N: 1}) }()
		w := newPuller(t, messaging.PullerConfig{Address: p.PushAddresses()[0]})
		got := make(chan int, 1)
		check(t, messaging.HandleTask(w, func(_ context.Context, e event) error { got <- e.N; return nil }))
		run(t, w)
		check(t, receive(t, pushed))
		receive(t, got)
	})
}

func TestPusherWaitsForPeers(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p, _ := startPusher(t, carrier, messaging.Config{})
		check(t, p.WaitForPeers(testContext(t), 0))
		ended, end := context.WithCancel(t.Context())
		end()
		for n := 1; n <= 2; n++ {
			wantError(t, p.WaitForPeers(ended, n), context.Canceled, fmt.Sprintf("wait for %d peers", n))
			run(t, newPuller(t, messaging.PullerConfig{Address: p.PushAddresses()[0]}))
			check(t, p.WaitForPeers(testContext(t), n))
		}
	})
}

func TestWaitForPeersEndsWithService(t *testing.T) {
	t.Parallel()
	p := newPusher(t, messaging.PusherConfig{Address: freeAddress("inproc")})
	wantError(t, p.WaitForPeers(t.Context(), 1), service.ErrState, "WaitForPeers", "initialized")
	waited, entered := make(chan error, 1), make(chan struct{})
	check(t, p.Go("task", func(context.Context) error {
		close(entered)
		waited <- p.WaitForPeers(context.Background(), 1)
		return nil
	}))
	r := run(t, p)
	receive(t, entered)
	if receipt := r.stop(t); len(receipt.TasksAbandoned) != 0 {
		t.Errorf("receipt %+v", receipt)
	}
	wantError(t, receive(t, waited), service.ErrStopped)
}

// unusedTCP returns an address at which nobody listens.
func unusedTCP(t *testing.T) string {
	t.Helper()
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	check(t, l.Close())
	return "tcp://" + l.Addr().String()
}

func TestConnectingPushWaitsForPeer(t *testing.T) {
	t.Parallel()
	address := unusedTCP(t)
	p := newPusher(t, messaging.PusherConfig{Address: address})
	run(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	wantError(t, p.Push(ctx, event{N: 1}), context.DeadlineExceeded, "push of push")
	if st := p.PushStats(); st.Queued != 0 || p.Stats().MessagesSent != 0 {
		t.Errorf("PushStats %+v", st)
	}

	got := make(chan int, 1)
	late := newPuller(t, messaging.PullerConfig{Address: "@" + address})
	check(t, messaging.HandleTask(late, func(_ context.Context, e event) error { got <- e.N; return nil }))
	run(t, late)
	check(t, p.Push(testContext(t), event{N: 2}))
	if n := receive(t, got); n != 2 {
		t.Errorf("got %d", n)
	}
}

func TestPushWaitsForRoomAndLosesNothing(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p, _ := startPusher(t, carrier, messaging.Config{SendHWM: 5})
		w := newPuller(t, messaging.PullerConfig{Address: p.PushAddresses()[0], Config: messaging.Config{RecvHWM: 5}})
		leave := make(chan struct{})
		var handled atomic.Int64
		check(t, messaging.HandleTask(w, func(context.Context, event) error {
			<-leave
			handled.Add(1)
			return nil
		}))
		run(t, w)
		big := event{Text: strings.Repeat("x", 256<<10)}
		sent := int64(0)
		for {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			err := p.Push(ctx, big)
			cancel()
			if err != nil {
				wantError(t, err, context.DeadlineExceeded)
				break
			}
			sent++
		}
		close(leave)
		check(t, p.Push(testContext(t), big))
		eventually(t, "all handled", func() bool { return handled.Load() == sent+1 })
		if st := p.PushStats(); st.Dropped != 0 {
			t.Errorf("PushStats %+v", st)
		}
	})
}

func TestWaitingPushEndsWithService(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p, r := startPusher(t, carrier, messaging.Config{})
		pushed := make(chan error, 2)
		go func() { pushed <- p.Push(context.Background(), event{}) }()
		check(t, p.Go("task", func(ctx context.Context) error {
			pushed <- p.Push(ctx, event{})
			return nil
		}))
		if receipt := r.stop(t); len(receipt.TasksAbandoned) != 0 {
			t.Errorf("receipt %+v", receipt)
		}
		for range 2 {
			err := receive(t, pushed)
			if !isState(err) {
				wantError(t, err, service.ErrStopped, "push of push")
			}
		}
	})
}

// isState reports whether a call found the service stopped already.
func isState(err error) bool {
	return err != nil && strings.Contains(err.Error(), "is not valid in state")
}

func TestStopEndsPushThatKnowsNothingOfTheService(t *testing.T) {
	t.Parallel()
	p, r := startPusher(t, "inproc", messaging.Config{})
	waiting := make(chan struct{})
	pushed := make(chan error, 1)
	check(t, p.Go("task", func(context.Context) error {
		close(waiting)
		pushed <- p.Push(context.Background(), event{})
		return nil
	}))
	receive(t, waiting)
	if receipt := r.stop(t); len(receipt.TasksAbandoned) != 0 {
		t.Errorf("receipt %+v", receipt)
	}
	wantError(t, receive(t, pushed), service.ErrStopped)
}

func TestPullerConcurrencyIsBounded(t *testing.T) {
	t.Parallel()
	const n = 3
	p, _ := startPusher(t, "inproc", messaging.Config{})
	w := newPuller(t, messaging.PullerConfig{Address: p.PushAddresses()[0], Concurrency: n})
	var mu sync.Mutex
	var now, most, done int
	entered, leave := make(chan struct{}, 100), make(chan struct{})
	check(t, messaging.HandleTask(w, func(context.Context, event) error {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		entered <- struct{}{}
		<-leave
		mu.Lock()
		now--
		done++
		mu.Unlock()
		return nil
	}))
	run(t, w)
	for i := range 4 * n {
		check(t, p.Push(testContext(t), event{N: i}))
	}
	for range n {
		receive(t, entered) // n handlers are at work at once
	}
	close(leave)
	eventually(t, "all done", func() bool { mu.Lock(); defer mu.Unlock(); return done == 4*n })
	if most != n {
		t.Errorf("%d handlers at once, want %d", most, n)
	}
}

func TestTasksAreHandledInOrder(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		const n = 2000
		p, _ := startPusher(t, carrier, messaging.Config{})
		w := newPuller(t, messaging.PullerConfig{Address: p.PushAddresses()[0]})
		var got []int
		done := make(chan struct{})
		check(t, messaging.HandleTask(w, func(_ context.Context, e event) error {
			if got = append(got, e.N); len(got) == n {
				close(done)
			}
			return nil
		}))
		run(t, w)
		for i := range n {
			check(t, p.Push(testContext(t), event{N: i}))
		}
		receive(t, done)
		if !slices.IsSorted(got) {
			t.Error("tasks out of order")
		}
	})
}

func TestTasksWaitForHandler(t *testing.T) {
	t.Parallel()
	p, _ := startPusher(t, "tcp", messaging.Config{})
	w := newPuller(t, messaging.PullerConfig{Address: p.PushAddresses()[0]})
	run(t, w)
	check(t, p.Push(testContext(t), event{N: 4}))
	got := make(chan int, 1)
	check(t, messaging.HandleTask(w, func(_ context.Context, e event) error { got <- e.N; return nil }))
	if n := receive(t, got); n != 4 {
		t.Errorf("got %d", n)
	}
	wantError(t, messaging.HandleTask(w, func(context.Context, event) error { return nil }), nil, "already")
	wantError(t, w.HandleTaskRaw(nil), nil, "nil")
}

func TestBadTasksAreCountedAndDropped(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		peer := must[*zmq.Push](t)(zmq.NewPush(zmq.Config{}))
		t.Cleanup(func() { check(t, peer.Close()) })
		w := newPuller(t, messaging.PullerConfig{Address: freeAddress(carrier)})
		got := make(chan int, 1)
		check(t, messaging.HandleTask(w, func(_ context.Context, e event) error { got <- e.N; return nil }))
		run(t, w)
		check(t, peer.Connect(w.PullAddresses()[0]))
		bad := []string{"", "null", "[]", "1", "NaN", "{", `{"n":NaN}`, `{"n":1}}`, "\xff{}", "{\"text\":\"\xff\"}"}
		for _, text := range bad {
			check(t, peer.Send(testContext(t), []byte(text)))
		}
		check(t, peer.Send(testContext(t), []byte(` {"n": 9} `)))
		if n := receive(t, got); n != 9 {
			t.Errorf("got %d", n)
		}
		if st := w.PullStats(); st.Bad != uint64(len(bad)) || st.Failed != 0 {
			t.Errorf("PullStats %+v, want %d bad", st, len(bad))
		}
		if st := w.Stats(); st.Warnings != 1 || st.Errors != 0 {
			t.Errorf("Stats %+v, want one warning", st)
		}
	})
}

func TestPusherFindsRestartedPuller(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p, _ := startPusher(t, carrier, messaging.Config{})
		w := newPuller(t, messaging.PullerConfig{Address: p.PushAddresses()[0]})
		got := make(chan int, 1)
		check(t, messaging.HandleTask(w, func(_ context.Context, e event) error { got <- e.N; return nil }))
		for i := range 5 {
			r := run(t, w)
			check(t, p.Push(testContext(t), event{N: i}))
			if n := receive(t, got); n != i {
				t.Errorf("got %d, want %d", n, i)
			}
			r.stop(t)
			eventually(t, "puller gone", func() bool { return p.PushStats().Peers == 0 })
		}
	})
}

func TestStopFlushesWhatIsQueued(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		const n = 500
		p, r := startPusher(t, carrier, messaging.Config{})
		w := newPuller(t, messaging.PullerConfig{Address: p.PushAddresses()[0]})
		var handled atomic.Int64
		check(t, messaging.HandleTask(w, func(context.Context, event) error { handled.Add(1); return nil }))
		run(t, w)
		for i := range n {
			check(t, p.Push(testContext(t), event{N: i}))
		}
		if receipt := r.stop(t); receipt.MessagesDropped != 0 {
			t.Errorf("receipt %+v", receipt)
		}
		eventually(t, "all handled", func() bool { return handled.Load() == n })
	})
}

// pushUnread pushes messages of some size to a peer that takes hardly any of them, until no more can be queued.
func pushUnread(t *testing.T, p *messaging.Pusher, size int) (peer *zmq.Pull) {
	t.Helper()
	peer = must[*zmq.Pull](t)(zmq.NewPull(zmq.Config{RecvHWM: 1}))
	check(t, peer.Connect(p.PushAddresses()[0]))
	msg := event{Text: strings.Repeat("x", size)}
	check(t, p.Push(testContext(t), msg))
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := p.Push(ctx, msg)
		cancel()
		if err != nil {
			wantError(t, err, context.DeadlineExceeded)
			return peer
		}
	}
}

func TestReceiptCountsWhatStopCouldNotSend(t *testing.T) {
	t.Parallel()
	p, r := startPusher(t, "tcp", messaging.Config{SendHWM: 10, Service: service.Config{StopTimeout: 100 * time.Millisecond}})
	peer := pushUnread(t, p, 256<<10)
	defer func() { check(t, peer.Close()) }()
	receipt := r.stop(t)
	if st := p.PushStats(); receipt.MessagesDropped == 0 || st.Dropped != receipt.MessagesDropped {
		t.Errorf("receipt %+v, PushStats %+v", receipt, st)
	}
}

func TestStopDoesNotWaitLongForPeerThatIsGone(t *testing.T) {
	t.Parallel()
	p, r := startPusher(t, "inproc", messaging.Config{SendHWM: 10, Service: service.Config{StopTimeout: time.Hour}})
	check(t, pushUnread(t, p, 0).Close())
	eventually(t, "peer gone", func() bool { return p.PushStats().Peers == 0 })
	if receipt := r.stop(t); receipt.MessagesDropped == 0 {
		t.Errorf("receipt %+v", receipt)
	}
}
