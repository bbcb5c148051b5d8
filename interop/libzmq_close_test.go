package interop_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// leave closes a peer's standard input, upon which it closes its socket, sends what is queued, and ends.
func (p *peer) leave() {
	p.t.Helper()
	_ = p.stdin.Close()
	select {
	case <-p.exited:
	case <-within(p.t).Done():
		p.t.Fatalf("%s did not end", p.name)
	}
}

// TestLibzmqClosed has libzmq send and go away before Go has received. What has arrived is received, although Go answers, or
// sends heartbeats, to a connection that is closed.
func TestLibzmqClosed(t *testing.T) {
	t.Parallel()
	const n = 10
	for _, program := range []program{inC, inPython} {
		for _, tr := range []carrier{overTCP, overPath} {
			for _, kind := range []string{"PUSH", "PAIR", "DEALER"} {
				t.Run(fmt.Sprint(program, " ", tr, " ", kind), func(t *testing.T) {
					t.Parallel()
					var s receiver
					switch cfg := (zmq.Config{RecvHWM: 1, HeartbeatInterval: time.Millisecond, HeartbeatTimeout: time.Minute}); kind {
					case "PUSH":
						s = open(t, zmq.NewPull, cfg)
					case "PAIR":
						s = open(t, zmq.NewPair, cfg)
					default:
						s = open(t, zmq.NewDealer, cfg)
					}
					endpoint, err := s.Bind(tr.endpoint())
					if err != nil {
						t.Fatal(err)
					}
					p := program.start(t, "type="+kind, "LINGER=60000", "connect="+endpoint)
					for i := range n {
						p.order("send", fmt.Sprint("=", i), "1000:1")
						p.expect("done")
					}
					p.leave()
					for i := range n {
						m, err := s.Recv(within(t))
						if err != nil {
							t.Fatalf("message %d: %v", i, err)
						}
						if got := string(m.Bytes()); got != fmt.Sprint(i) || m.Len() != 2 {
							t.Fatalf("received %q, want message %d", got, i)
						}
						m.Release()
						if s, ok := s.(sender); ok {
							ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
							_ = s.Send(ctx, []byte("answer")) // which nobody will get
							cancel()
						}
					}
				})
			}
		}
	}
}

// TestClosedWhileLibzmqIsSlow has Go close while libzmq stands still, with more under way than the systems' buffers hold.
// libzmq gets all of it when it goes on, although it sends heartbeats meanwhile.
func TestClosedWhileLibzmqIsSlow(t *testing.T) {
	t.Parallel()
	const n = 300
	for _, tr := range []carrier{overTCP, overPath} {
		for _, trust := range []trust{noTrust, trusts()[curveByGo]} {
			t.Run(fmt.Sprint(tr, " ", trust), func(t *testing.T) {
				t.Parallel()
				m := meeting{inC, types{"PUSH", "PULL"}, true, tr, 1, trust}
				s, p := m.hold(t, zmq.Config{Linger: time.Minute}, "RCVHWM=10", "HEARTBEAT_IVL=20", "HEARTBEAT_TIMEOUT=60000")
				push := s.(*zmq.Push)
				if err := push.WaitPeers(within(t), 1); err != nil {
					t.Fatal(err)
				}
				p.pause()
				closed := make(chan error, 1)
				go func() {
					body := make([]byte, 64<<10)
					for i := range n {
						if err := push.Send(within(t), fmt.Append(nil, i), body); err != nil {
							closed <- err
							return
						}
					}
					closed <- push.Close()
				}()
				until(t, func() bool { return push.Stats().Queued > 0 })
				p.resume()
				for i := range n {
					p.expect("received", func(e event) bool { return e.Frames[0].Text == fmt.Sprint(i) })
				}
				if err := <-closed; err != nil {
					t.Fatal(err)
				}
				if st := push.Stats(); st.MessagesSent != n || st.Dropped+st.Unconfirmed != 0 {
					t.Errorf("%+v", st)
				}
			})
		}
	}
}

// TestDrainOfLibzmqPush has a PULL in Go drain while a PUSH of libzmq has more for it. A PUSH that connects keeps what it had not
// sent, but for the message that it was writing; one that binds throws all of it away. That is libzmq's own doing, and measured
// here.
func TestDrainOfLibzmqPush(t *testing.T) {
	t.Parallel()
	const n = 400
	for _, binds := range []bool{false, true} {
		t.Run(fmt.Sprintf("PUSH binds=%v", binds), func(t *testing.T) {
			t.Parallel()
			first := open(t, zmq.NewPull, zmq.Config{RecvHWM: 1})
			var at string
			var p *peer
			if binds {
				p = inC.start(t, "type=PUSH", "LINGER=1000", "bind="+wildcard())
				at = p.endpoint("socket")
				connect(t, first, at)
			} else {
				var err error
				if at, err = first.Bind(wildcard()); err != nil {
					t.Fatal(err)
				}
				p = inC.start(t, "type=PUSH", "LINGER=60000", "RECONNECT_IVL=20", "connect="+at)
			}
			p.order("many", fmt.Sprint(n), "50000:1")
			p.expect("done") // all are with libzmq
			if err := first.WaitPeers(within(t), 1); err != nil {
				t.Fatal(err)
			}
			received := 0
			receive := func(s *zmq.Pull) error {
				for {
					m, err := s.Recv(within(t))
					if err != nil {
						return err
					}
					m.Release()
					if received++; received == n {
						return nil
					}
				}
			}
			drained := make(chan error, 1)
			go func() { drained <- first.Drain(within(t)) }()
			if err := receive(first); !errors.Is(err, zmq.ErrDrained) {
				t.Fatalf("the first received %d and ended with %v", received, err)
			}
			if err := <-drained; err != nil {
				t.Fatal(err)
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			if binds {
				t.Logf("of %d messages %d were received; libzmq's PUSH, which binds, has thrown away the rest", n, received)
				return
			}
			second := open(t, zmq.NewPull, zmq.Config{})
			until(t, func() bool { _, err := second.Bind(at); return err == nil })
			if err := second.WaitPeers(within(t), 1); err != nil {
				t.Fatal(err)
			}
			go func() {
				p.leave() // when it has sent everything
				drained <- second.Drain(within(t))
			}()
			if err := receive(second); err != nil && !errors.Is(err, zmq.ErrDrained) {
				t.Fatal(err)
			}
			if err := <-drained; err != nil {
				t.Fatal(err)
			}
			if received < n-1 { // libzmq does not send again the message that it was writing
				t.Errorf("%d of %d messages were received", received, n)
			}
			t.Logf("of %d messages %d were received; the one that libzmq was writing may be lost", n, received)
		})
	}
}
