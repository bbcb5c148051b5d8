package zmq_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// nowhere are endpoints to connect to at which nobody will ever be.
func nowhere(t *testing.T) map[string]string {
	return map[string]string{"tcp": closedEndpoint(t), "inproc": "inproc://" + t.Name()}
}

// acceptsBeforeBlocking returns how many messages a socket accepts before it makes a sender wait.
func acceptsBeforeBlocking(t *testing.T, s sender, frames ...[]byte) (n int) {
	t.Helper()
	for {
		switch err := s.Send(shortly(), frames...); {
		case err == nil:
			n++
		case errors.Is(err, zmq.ErrNoPeer):
			return n
		default:
			t.Fatal(err)
		}
	}
}

// The high-water mark of sending counts whole messages, however many frames each has.
func TestSendHWM(t *testing.T) {
	t.Parallel()
	for carrier, endpoint := range nowhere(t) {
		for _, c := range []struct {
			name   string
			cfg    zmq.Config
			frames [][]byte
			want   int
		}{
			{"default", zmq.Config{}, encode([]string{"x"}), 1000},
			{"of 1", zmq.Config{SendHWM: 1}, encode([]string{"x"}), 1},
			{"frames", zmq.Config{SendHWM: 10}, make([][]byte, 7), 10},
			{"bytes", zmq.Config{SendHWMBytes: 10 << 10}, [][]byte{make([]byte, 3<<10)}, 4},
			{"large", zmq.Config{SendHWMBytes: 1}, [][]byte{make([]byte, 3<<20)}, 1},
		} {
			t.Run(carrier+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				c.cfg.Linger = -1
				push := newPush(t, c.cfg)
				check(t, push.Connect(endpoint))
				if n := acceptsBeforeBlocking(t, push, c.frames...); n != c.want {
					t.Errorf("%d messages were accepted, want %d", n, c.want)
				}
				if q := push.Stats().Queued; q != c.want {
					t.Errorf("%d messages are queued, want %d", q, c.want)
				}
			})
		}
	}
}

func TestNoSendHWM(t *testing.T) {
	t.Parallel()
	push := newPush(t, zmq.Config{SendHWM: -1, SendHWMBytes: -1, Linger: -1})
	check(t, push.Connect("inproc://"+t.Name()))
	for range 10_000 {
		send(t, push, "x")
	}
}

// Each peer has a queue of its own, and is given messages as long as it has room.
func TestSendHWMOfEachPeer(t *testing.T) {
	t.Parallel()
	push := newPush(t, zmq.Config{SendHWM: 5, Linger: -1})
	for i := range 3 {
		check(t, push.Connect(fmt.Sprint("inproc://", t.Name(), i)))
	}
	if n := acceptsBeforeBlocking(t, push, nil); n != 15 {
		t.Errorf("%d messages were accepted for three peers, want 15", n)
	}
}

// An inproc pair has no wire in between: the bounds of both ends add up.
func TestInprocHWM(t *testing.T) {
	t.Parallel()
	push, pull := newPush(t, zmq.Config{SendHWM: 3}), newPull(t, zmq.Config{RecvHWM: 4})
	pair(t, pull, push, "inproc://"+t.Name())
	if n := acceptsBeforeBlocking(t, push, []byte("x")); n != 7 {
		t.Errorf("%d messages were accepted, want 7", n)
	}
	for range 7 {
		expect(t, pull, "x")
	}
}

// A sender that waits goes on as soon as a peer has room, and no message is lost or doubled on the way.
func TestSendGoesOnWithRoom(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		const n = 500
		push, pull := newPush(t, zmq.Config{SendHWM: 1}), newPull(t, zmq.Config{RecvHWM: 1})
		check(t, push.Connect(bind(t, pull, endpoint)))
		sent := inBackground(func() error {
			for i := range n {
				if err := push.Send(within(t), fmt.Append(nil, i)); err != nil {
					return err
				}
			}
			return nil
		})
		for i := range n {
			expect(t, pull, fmt.Sprint(i))
		}
		check(t, <-sent)
	})
}

// Peers that come, send and go while nobody receives lose nothing by that, however many they are.
func TestReceiveHWMOfPeersThatGo(t *testing.T) {
	t.Parallel()
	const peers, each = 30, 5
	pull := newPull(t, zmq.Config{RecvHWM: each})
	at := bind(t, pull, wildcard)
	for i := range peers {
		peer := dialRaw(t, at).greet("PUSH", 1)
		for range each {
			peer.write(message(fmt.Sprint(i)))
		}
		check(t, peer.Conn.(interface{ CloseWrite() error }).CloseWrite())
	}
	seen := map[string]int{}
	for range peers * each {
		seen[recv(t, pull)]++
	}
	for i := range peers {
		if n := seen[fmt.Sprint(i)]; n != each {
			t.Errorf("%d messages of peer %d arrived, want %d", n, i, each)
		}
	}
}

// A peer that sends more than is received is not read from any more, and loses nothing by that.
func TestReceiveHWMHoldsBack(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]zmq.Config{"messages": {RecvHWM: 3}, "bytes": {RecvHWMBytes: 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pull := newPull(t, cfg)
			peer := dialRaw(t, bind(t, pull, wildcard)).greet("PUSH", 1)
			const size, most = 64 << 10, 1024 // in all 64 MiB, more than the system takes in
			body := string(make([]byte, size-9))
			taken := 0
			for ; taken < most*size; taken += size {
				check(t, peer.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
				n, err := peer.Write(message(body))
				if errors.Is(err, os.ErrDeadlineExceeded) {
					taken += n
					break
				}
				check(t, err)
			}
			if taken >= most*size {
				t.Fatalf("the peer was never held back")
			}
			for range taken / size {
				if got := recv(t, pull); got != body {
					t.Fatalf("a message of %d bytes arrived, want %d", len(got), len(body))
				}
			}
			check(t, peer.SetWriteDeadline(time.Now().Add(time.Minute)))
			peer.write(message(body)[taken%size:], message("end"))
			expect(t, pull, body, "end")
		})
	}
}
