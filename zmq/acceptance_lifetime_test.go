package zmq_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// There are no contexts to destroy: each socket is closed by itself. That frees everybody who waits, and ends all that it
// started, which TestMain looks after.
func TestCase_ctx_destroy(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		for _, s := range talking(t, zmq.Config{}, zmq.Config{}) {
			check(t, s[0].Close()) // unused
			var waiting []<-chan error
			wait := func(call func() error) { waiting = append(waiting, inBackground(call)) }
			at := bind(t, s[1], endpoint)
			if r, ok := s[1].(receiver); ok {
				wait(func() error { _, err := r.Recv(within(t)); return err })
			}
			if out, ok := s[1].(sender); ok {
				if _, ok := s[1].(*zmq.XSub); !ok { // which does not wait
					wait(func() error { return out.Send(within(t), []byte("nobody")) })
				}
			}
			wait(func() error { return s[1].WaitPeers(within(t), 1) })
			for range 3 {
				wait(s[1].Close)
			}
			check(t, s[1].Close())
			for _, done := range waiting {
				if err := await(t, "the end of a call", done); err != nil && !errors.Is(err, zmq.ErrState) {
					isClosed(t, err)
				}
			}
			_, err := s[1].Bind(endpoint)
			isClosed(t, err)
			isClosed(t, s[1].Connect(at))
			isClosed(t, s[1].WaitPeers(within(t), 0))
		}
	})
}

// Sockets may be closed while they connect, any number at once, while the other side is closed too.
func TestCase_shutdown_stress(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		for round := range 10 {
			pub := newPub(t, zmq.Config{})
			at := bind(t, pub, numbered(endpoint, round))
			var done []<-chan error
			for i := range 20 {
				sub := newSub(t, zmq.Config{}, "")
				done = append(done, inBackground(func() error {
					if err := sub.Connect(at); err != nil {
						return err
					}
					if i%2 == 0 {
						if err := sub.WaitPeers(within(t), 1); err != nil {
							return err
						}
					}
					return sub.Close()
				}))
			}
			if round%2 == 0 {
				for _, d := range done {
					check(t, await(t, "the end of a subscriber", d))
				}
				peers(t, pub, 0)
				check(t, pub.Close())
				continue
			}
			done = append(done, inBackground(pub.Close))
			for i := 1; i < 20; i += 2 { // the others may find nobody
				check(t, await(t, "the end of a subscriber", done[i]))
			}
			check(t, await(t, "the end of the publisher", done[20]))
			again := newPub(t, zmq.Config{})
			bindAgain(t, again, at)
			for i := 0; i < 20; i += 2 {
				check(t, await(t, "the end of a subscriber", done[i]))
			}
		}
	})
}

// There is no limit to the number of sockets but the system's: unused ones cost no descriptor, inproc ones neither.
func TestCase_many_sockets(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		n := map[bool]int{true: 5000, false: 100}[isInproc(endpoint)]
		pull := newPull(t, zmq.Config{})
		at := bind(t, pull, endpoint)
		var pushes []*zmq.Push
		for range n {
			open(t, zmq.NewPair, zmq.Config{})
			pushes = append(pushes, newPush(t, zmq.Config{}))
		}
		for _, push := range pushes {
			check(t, push.Connect(at))
		}
		check(t, pull.WaitPeers(within(t), n))
		for i, push := range pushes {
			send(t, push, fmt.Sprint(i))
		}
		seen := map[string]bool{}
		for range pushes {
			seen[recv(t, pull)] = true
		}
		if len(seen) != n {
			t.Errorf("received %d different messages of %d", len(seen), n)
		}
	})
}
