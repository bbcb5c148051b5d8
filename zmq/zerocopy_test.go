package zmq_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// zeroCopySender is a socket that sends without copying.
type zeroCopySender interface {
	sender
	SendZeroCopy(ctx context.Context, frames ...[]byte) error
}

var (
	_ zeroCopySender = (*zmq.Push)(nil)
	_ zeroCopySender = (*zmq.Dealer)(nil)
	_ zeroCopySender = (*zmq.Pair)(nil)
	_ zeroCopySender = (*zmq.Pub)(nil)
)

// large returns a body of size bytes that is like no other.
func large(i, size int) []byte {
	return append(fmt.Appendf(nil, "%d ", i), bytes.Repeat([]byte{byte(i)}, size)...)
}

// A message arrives as it would from Send, whatever its frames are, and between others in its order.
func TestSendZeroCopy(t *testing.T) {
	t.Parallel()
	keys := must(zmq.GenerateKeyPair())(t)
	for name, security := range map[string]zmq.Security{"NULL": nil, "CURVE": zmq.CurveFleet{Keys: keys}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, endpoint string) {
				for kind, open := range map[string]func(t *testing.T, cfg zmq.Config) (socket, receiver, zeroCopySender){
					"PUSH": func(t *testing.T, cfg zmq.Config) (socket, receiver, zeroCopySender) {
						pull := newPull(t, cfg)
						return pull, pull, newPush(t, cfg)
					},
					"PAIR": func(t *testing.T, cfg zmq.Config) (socket, receiver, zeroCopySender) {
						a, b := must(zmq.NewPair(cfg))(t), must(zmq.NewPair(cfg))(t)
						closing(t, a)
						closing(t, b)
						return a, a, b
					},
					"DEALER": func(t *testing.T, cfg zmq.Config) (socket, receiver, zeroCopySender) {
						a, b := must(zmq.NewDealer(cfg))(t), must(zmq.NewDealer(cfg))(t)
						closing(t, a)
						closing(t, b)
						return a, a, b
					},
				} {
					t.Run(kind, func(t *testing.T) {
						t.Parallel()
						endpoint := endpoint
						if endpoint != wildcard && endpoint != "ipc://*" {
							endpoint += kind
						}
						bound, in, out := open(t, zmq.Config{Security: security})
						check(t, out.(socket).Connect(bind(t, bound, endpoint)))
						zeroCopies(t, in, out)
					})
				}
			})
		})
	}
}

// zeroCopies sends messages of all kinds, and receives them.
func zeroCopies(t *testing.T, in receiver, out zeroCopySender) {
	const rounds = 25
	again := large(1000, 300_000)
	messages := func(i int) [][][]byte {
		return [][][]byte{
			{large(i, 20_000)},
			{[]byte("topic"), large(i, 100_000)},
			{large(i, 50_000), []byte("behind")},
			{[]byte("short")},
			{large(i, 20_000), nil, large(i, 16_384)},
			{nil, again},
			{make([]byte, 300), large(i, 2_000_000/(1+i))},
		}
	}
	ctx := within(t)
	sent := inBackground(func() error {
		for i := range rounds {
			for k, frames := range messages(i) {
				send := out.SendZeroCopy
				if (i+k)%3 == 0 {
					send = out.Send
				}
				if err := send(ctx, frames...); err != nil {
					return err
				}
				for _, f := range frames[:len(frames)-1] { // which are copied
					clear(f)
				}
			}
		}
		return nil
	})
	for i := range rounds {
		for k, want := range messages(i) {
			m, err := in.Recv(within(t))
			check(t, err)
			if m.Len() != len(want) {
				t.Fatalf("message %d of round %d has %d frames, want %d", k, i, m.Len(), len(want))
			}
			for f := range want {
				if !bytes.Equal(m.Frame(f), want[f]) {
					t.Fatalf("message %d of round %d: frame %d is %d bytes, %.10q, want %d, %.10q", k, i, f, len(m.Frame(f)), m.Frame(f), len(want[f]), want[f])
				}
			}
			m.Release()
		}
	}
	check(t, await(t, "the end of sending", sent))
}

// The frame that is not copied is read when it is written to a peer, and no sooner.
func TestSendZeroCopyReadsLate(t *testing.T) {
	t.Parallel()
	body := make([]byte, 20_000)
	push := newPush(t, zmq.Config{})
	endpoint := "ipc://" + t.TempDir() + "/late"
	check(t, push.Connect(endpoint))
	check(t, push.SendZeroCopy(within(t), []byte("topic"), body))
	copy(body, "changed") // which nobody may do: it shows that there is no copy
	end := newPull(t, zmq.Config{})
	bind(t, end, endpoint)
	m, err := end.Recv(within(t))
	check(t, err)
	if !bytes.HasPrefix(m.Frame(1), []byte("changed")) {
		t.Errorf("the frame was copied: %.10q", m.Frame(1))
	}
}

// What cannot be sent is refused, as by Send, and nothing of it is sent later.
func TestSendZeroCopyFails(t *testing.T) {
	t.Parallel()
	body := make([]byte, 20_000)
	push := newPush(t, zmq.Config{SendHWM: 1, MaxMessageSize: 30_000})
	pull := newPull(t, zmq.Config{})
	endpoint := "inproc://" + t.Name()
	check(t, push.Connect(endpoint))
	if err := push.SendZeroCopy(within(t), body, body); !errors.Is(err, zmq.ErrMessageTooLarge) {
		t.Errorf("a message that is too large: %v", err)
	}
	if err := push.SendZeroCopy(within(t)); err == nil {
		t.Error("no error for a message without frames")
	}
	if err := push.SendZeroCopy(ended(), body); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	check(t, push.SendZeroCopy(within(t), body))
	ctx, cancel := context.WithCancel(within(t))
	waiting := inBackground(func() error { return push.SendZeroCopy(ctx, body) })
	cancel()
	if err := await(t, "the end of a call whose context ended", waiting); !errors.Is(err, context.Canceled) {
		t.Errorf("with a full queue: %v", err)
	}
	bind(t, pull, endpoint)
	check(t, push.SendZeroCopy(within(t), body[:16_384]))
	for _, want := range []int{20_000, 16_384} {
		m, err := pull.Recv(within(t))
		check(t, err)
		if len(m.Bytes()) != want {
			t.Errorf("received %d bytes, want %d", len(m.Bytes()), want)
		}
	}
	check(t, push.Close())
	isClosed(t, push.SendZeroCopy(within(t), body))
}

// Each subscriber gets what it wants; what has no room is counted, or refused with NoDrop.
func TestSendZeroCopyToSubscribers(t *testing.T) {
	t.Parallel()
	const messages = 30
	pub := newPub(t, zmq.Config{})
	var subs []*zmq.Sub
	for _, endpoint := range endpoints(t) {
		at := bind(t, pub, endpoint)
		for _, prefix := range []string{"", "even"} {
			sub := newSub(t, zmq.Config{}, prefix)
			check(t, sub.Connect(at))
			subs = append(subs, sub)
		}
	}
	check(t, pub.WaitSubscribers(within(t), "even", len(subs)))
	for i := range messages {
		check(t, pub.SendZeroCopy(within(t), []byte([]string{"even", "odd"}[i%2]), large(i, 40_000)))
	}
	for s, sub := range subs {
		for i := 0; i < messages; i += 1 + s%2 {
			m, err := sub.Recv(within(t))
			check(t, err)
			if m.Len() != 2 || !bytes.Equal(m.Frame(1), large(i, 40_000)) {
				t.Fatalf("subscriber %d received %d frames, %.10q, want message %d", s, m.Len(), m.Frame(1), i)
			}
			m.Release()
		}
	}
	if err := pub.SendZeroCopy(ended(), large(0, 40_000)); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}

	for _, noDrop := range []bool{false, true} {
		full := newPub(t, zmq.Config{SendHWM: 2, NoDrop: noDrop})
		sub := newSub(t, zmq.Config{RecvHWM: 1}, "")
		check(t, sub.Connect(bind(t, full, fmt.Sprint("inproc://", t.Name(), noDrop))))
		check(t, full.WaitSubscribers(within(t), "", 1))
		refused := 0
		for range messages {
			if err := full.SendZeroCopy(within(t), large(0, 40_000)); errors.Is(err, zmq.ErrWouldDrop) {
				refused++
			} else {
				check(t, err)
			}
		}
		dropped := int(full.Stats().Dropped)
		if noDrop && dropped > 0 || !noDrop && refused > 0 || dropped+refused == 0 || dropped+refused == messages {
			t.Errorf("NoDrop=%v: %d dropped, %d refused", noDrop, dropped, refused)
		}
		for range messages - dropped - refused {
			m, err := sub.Recv(within(t))
			check(t, err)
			if !bytes.Equal(m.Bytes(), large(0, 40_000)) {
				t.Errorf("received %d bytes", len(m.Bytes()))
			}
		}
	}
}

// What several subscribers need in one piece is joined once for all of them. Not parallel: it measures what all hold.
func TestSendZeroCopyJoinsOnce(t *testing.T) {
	const subscribers, messages, size = 8, 20, 1 << 20
	pub := must(zmq.NewPub(zmq.Config{}))(t)
	closing(t, pub)
	at := bind(t, pub, "inproc://joins-once")
	var subs []*zmq.Sub
	for range subscribers {
		sub := newSub(t, zmq.Config{})
		check(t, sub.Subscribe(""))
		check(t, sub.Connect(at))
		subs = append(subs, sub)
	}
	check(t, pub.WaitSubscribers(within(t), "", subscribers))
	body := large(7, size)
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := held()
	for range messages {
		check(t, pub.SendZeroCopy(within(t), body))
	}
	var last []zmq.Message
	for _, sub := range subs { // which takes all of its messages from the publisher
		m := must(sub.Recv(within(t)))(t)
		last = append(last, m)
	}
	if after := held(); after > before+2*messages*size {
		t.Errorf("%d messages for %d subscribers take %d MiB", messages, subscribers, (after-before)>>20)
	}
	for i, sub := range subs {
		if !bytes.Equal(last[i].Bytes(), body) {
			t.Errorf("subscriber %d got %d bytes, want %d", i, len(last[i].Bytes()), len(body))
		}
		last[i].Release()
		for range messages - 1 {
			m := must(sub.Recv(within(t)))(t)
			m.Release()
		}
	}
}

// Nothing keeps a body that was received, also by another peer than that which it was first for.
func TestSendZeroCopyLetsGo(t *testing.T) {
	t.Parallel()
	push := newPush(t, zmq.Config{})
	at := bind(t, push, "ipc://*")
	gone := newPull(t, zmq.Config{RecvHWM: 1, RecvHWMBytes: 1})
	check(t, gone.Connect(at))
	check(t, push.WaitPeers(within(t), 1))
	var alive atomic.Int64
	send := func(ctx context.Context) error {
		body := make([]byte, 64<<10) // of which the system keeps few
		alive.Add(1)
		runtime.AddCleanup(&body[0], func(struct{}) { alive.Add(-1) }, struct{}{})
		return push.SendZeroCopy(ctx, body)
	}
	ctx, cancel := context.WithCancel(within(t))
	sent := inBackground(func() (accepted int) {
		for send(ctx) == nil {
			accepted++
		}
		return accepted
	})
	eventually(t, "messages wait", func() bool { return push.Stats().Queued > 30 })
	cancel()
	accepted := await(t, "the end of sending", sent)
	check(t, gone.Close())
	eventually(t, "the peer is gone", func() bool { return push.Stats().Peers == 0 })
	waiting := settledOrphans(t, push, accepted)
	if waiting < 2 {
		t.Fatalf("of %d messages %d wait for another peer, want at least 2", accepted, waiting)
	}
	next := newPull(t, zmq.Config{})
	check(t, next.Connect(at))
	for range waiting {
		m := must(next.Recv(within(t)))(t)
		m.Release()
	}
	eventually(t, "all bodies are free", func() bool {
		runtime.GC()
		return alive.Load() == 0
	})
	if queued := push.Stats().Queued; queued != 0 {
		t.Errorf("%d messages wait after all have been received", queued)
	}
}
