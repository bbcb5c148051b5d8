package zmq_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// A receiver that drains loses nothing: what its peers have begun to send to it arrives, and the rest goes to others.
func TestDrain(t *testing.T) {
	t.Parallel()
	const n = 5000
	for _, binds := range []bool{false, true} {
		t.Run(fmt.Sprintf("receiver binds=%v", binds), func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, endpoint string) {
				push := newPush(t, zmq.Config{SendHWM: 100})
				first, second := newPull(t, zmq.Config{RecvHWM: 10}), newPull(t, zmq.Config{})
				if binds {
					check(t, push.Connect(bind(t, first, endpoint)))
					check(t, push.Connect(bind(t, second, endpoint+secondName(endpoint))))
				} else {
					at := bind(t, push, endpoint)
					check(t, first.Connect(at))
					check(t, second.Connect(at))
				}
				check(t, push.WaitPeers(within(t), 2))
				seen := &arrivals{t: t, at: map[int]bool{}}
				collect := func(pull *zmq.Pull) <-chan error {
					return inBackground(func() error {
						for m, err := range pull.Messages(context.Background()) {
							if err != nil {
								return err
							}
							seen.add(text(m))
						}
						return nil
					})
				}
				ends := []<-chan error{collect(first), collect(second)}
				sent := inBackground(func() error {
					for i := range n {
						if err := push.Send(within(t), []byte(fmt.Sprint(i)), make([]byte, 3000)); err != nil {
							return err
						}
					}
					return nil
				})
				eventually(t, "messages flow", func() bool { return seen.count() > n/10 })
				check(t, first.Drain(within(t)))
				if err := await(t, "the end of the first", ends[0]); !errors.Is(err, zmq.ErrDrained) || !errors.Is(err, zmq.ErrClosed) {
					t.Errorf("the loop ended with %v, want ErrDrained", err)
				}
				check(t, first.Close())
				check(t, await(t, "the sender", sent))
				check(t, push.Close())
				check(t, second.Drain(within(t)))
				if err := await(t, "the end of the second", ends[1]); !errors.Is(err, zmq.ErrDrained) {
					t.Errorf("the second loop ended with %v, want ErrDrained", err)
				}
				if got, st := seen.count(), push.Stats(); got != n || st.MessagesSent != n || st.Dropped != 0 || st.Unconfirmed != 0 {
					t.Errorf("%d of %d arrived; the sender says %+v", got, n, st)
				}
				if d := first.Stats().Discarded + second.Stats().Discarded; d != 0 {
					t.Errorf("%d messages were discarded", d)
				}
			})
		})
	}
}

// secondName makes another name of an endpoint that has no wildcard.
func secondName(endpoint string) string {
	if isInproc(endpoint) {
		return "/second"
	}
	return ""
}

// A subscriber that drains gets what was published before its publisher learned of that.
func TestDrainOfSub(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		pub, sub := newPub(t, zmq.Config{}), newSub(t, zmq.Config{}, "")
		publishing(t, endpoint, "", pub, sub)
		for i := range 100 {
			send(t, pub, fmt.Sprint(i))
		}
		if !isInproc(endpoint) {
			settled(t, pub)
		}
		drained := inBackground(func() error { return sub.Drain(within(t)) })
		for i := range 100 {
			expect(t, sub, fmt.Sprint(i))
		}
		check(t, await(t, "the end of Drain", drained))
		if _, err := sub.Recv(within(t)); !errors.Is(err, zmq.ErrDrained) {
			t.Errorf("received after the end: %v", err)
		}
		if err := sub.Connect("tcp://127.0.0.1:1"); !errors.Is(err, zmq.ErrDrained) {
			t.Errorf("connected after the end: %v", err)
		}
		check(t, sub.Drain(within(t)))
	})
}

// A server that drains answers what it has received, and is half-closed by Close.
func TestDrainOfServers(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		router, dealer := open(t, zmq.NewRouter, zmq.Config{}), open(t, zmq.NewDealer, zmq.Config{})
		pair(t, router, dealer, endpoint)
		for i := range 10 {
			send(t, dealer, fmt.Sprint(i))
		}
		ctx, stop := context.WithCancel(within(t))
		drained := inBackground(func() error { return router.Drain(ctx) })
		for i := range 10 {
			m, err := router.Recv(within(t))
			check(t, err)
			check(t, router.Send(within(t), m.Frame(0), []byte(fmt.Sprint("answer ", i))))
		}
		stop()
		err := await(t, "the end of Drain", drained)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Drain ended with %v, want the context's error", err)
		}
		send(t, dealer, "too late")
		_, err = router.Recv(within(t))
		if !errors.Is(err, zmq.ErrDrained) {
			t.Errorf("received after the end: %v", err)
		}
		check(t, router.Close())
		for i := range 10 {
			expect(t, dealer, fmt.Sprint("answer ", i))
		}
	})
}

// A Drain whose context ends closes what is left, and says so. Close ends one that waits.
func TestDrainEnds(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
		pair(t, pull, push, endpoint)
		send(t, push, "waits")
		if !isInproc(endpoint) {
			settled(t, push)
		}
		if err := pull.Drain(ended()); !errors.Is(err, context.Canceled) {
			t.Errorf("Drain ended with %v, want the context's error", err)
		}
		waiting := inBackground(func() error { return pull.Drain(context.Background()) })
		check(t, pull.Close())
		if err := await(t, "the end of the second Drain", waiting); err != nil {
			isClosed(t, err)
		}
		isClosed(t, pull.Drain(within(t)))
	})
}
