package zmq_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// quick has sockets reconnect without making a test wait.
var quick = zmq.Config{ReconnectInterval: 5 * time.Millisecond, ReconnectMax: 5 * time.Millisecond}

// Publishers, subscribers, pushers and pullers that connected do so again when the connection is lost, whatever they
// were doing, and a peer's end does not end Recv.
func TestReconnect(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			bound, connected := newSocket(t, partner[kind], quick), newSocket(t, kind, quick)
			r := newRelay(t, bind(t, bound, wildcard))
			check(t, connected.Connect(r.Endpoint()))
			for round := range 5 {
				s, ok := connected.(sender)
				if !ok {
					s = bound.(sender)
				}
				from, ok := connected.(receiver)
				if !ok {
					from = bound.(receiver)
				}
				want := fmt.Sprint("round ", round)
				sendUntilReceived(t, s, from, want)
				r.Reset()
			}
		})
	}
}

// sendUntilReceived sends a message until it arrives: what is sent while nobody has noticed yet that the connection is lost
// goes with it.
func sendUntilReceived(t *testing.T, s sender, r receiver, want string) {
	t.Helper()
	ctx, received := context.WithCancel(within(t))
	defer received()
	sent := inBackground(func() error {
		for ctx.Err() == nil {
			try, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			if err := s.Send(try, []byte(want)); err != nil && !errors.Is(err, try.Err()) {
				cancel()
				return err
			}
			<-try.Done()
			cancel()
		}
		return nil
	})
	untilReceived(t, r, want)
	received()
	check(t, <-sent)
}

// What is queued for an endpoint stays queued, in its order, while there is no connection.
func TestQueueSurvivesReconnect(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		const n = 100
		push, first := newPush(t, quick), newPull(t, zmq.Config{})
		at := pair(t, first, push, endpoint)
		check(t, first.Close())
		eventually(t, "the pusher has noticed", func() bool { return push.Stats().Peers == 0 })
		for i := range n {
			send(t, push, fmt.Sprint(i))
		}
		if q := push.Stats().Queued; q != n {
			t.Errorf("%d messages are queued, want %d", q, n)
		}
		second := newPull(t, zmq.Config{})
		eventually(t, "the endpoint is free again", func() bool {
			_, err := second.Bind(at)
			return err == nil
		})
		for i := range n {
			expect(t, second, fmt.Sprint(i))
		}
	})
}

// A bound socket's queue ends with the peer: what waited in it goes to another peer.
func TestOrphansGoToOthers(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		push := newPush(t, zmq.Config{SendHWM: 100}) // 25 MiB, more than the system takes in
		dead, heir := newPull(t, zmq.Config{RecvHWM: 1}), newPull(t, zmq.Config{})
		at := pair(t, push, dead, endpoint)
		sent := fill(t, push)
		check(t, dead.Close())
		var waited int
		eventually(t, "the messages have no peer", func() bool {
			st := push.Stats() // one message may be seen in two places while it moves
			waited = st.Queued
			return st.Peers == 0 && st.MessagesSent+uint64(waited) == uint64(sent)
		})
		if waited == 0 {
			t.Error("no message waited")
		}
		check(t, heir.Connect(at))
		next := sent - waited // the dead peer took those before along
		for range waited {
			if got := recv(t, heir); !strings.HasPrefix(got, fmt.Sprint(next, "|")) {
				t.Fatalf("received %.10q, want message %d", got, next)
			}
			next++
		}
		if st := settled(t, push); st.Dropped != 0 || st.MessagesSent != uint64(sent) {
			t.Errorf("statistics at the end: %+v", st)
		}
	})
}

// fill sends numbered messages of 256 KiB to a peer that does not receive, until everything between the two is full. It
// returns how many were accepted.
func fill(t *testing.T, s sender) (sent int) {
	t.Helper()
	body := make([]byte, 256<<10)
	for refused := 0; refused < 3; {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := s.Send(ctx, fmt.Append(nil, sent), body)
		cancel()
		switch {
		case err == nil:
			sent++
			refused = 0
		case errors.Is(err, zmq.ErrNoPeer):
			refused++
		case !errors.Is(err, context.DeadlineExceeded):
			t.Fatal(err)
		}
	}
	return sent
}

// With Immediate nothing is accepted for peers that are not there, on the connecting side and on the bound one.
func TestImmediate(t *testing.T) {
	t.Parallel()
	refuses := func(t *testing.T, push *zmq.Push) {
		t.Helper()
		if err := push.Send(shortly(), []byte("nobody")); !errors.Is(err, zmq.ErrNoPeer) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without a peer: %v", err)
		}
	}
	for _, binds := range []bool{true, false} {
		t.Run(fmt.Sprintf("binds=%v", binds), func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, endpoint string) {
				push, pull := newPush(t, zmq.Config{Immediate: true}), newPull(t, zmq.Config{})
				if binds {
					at := bind(t, push, endpoint)
					refuses(t, push)
					check(t, pull.Connect(at))
				} else {
					check(t, push.Connect("inproc://"+t.Name()+"/nobody"))
					check(t, push.Connect(closedEndpoint(t)))
					refuses(t, push)
					check(t, push.Connect(bind(t, pull, endpoint)))
				}
				send(t, push, "somebody")
				expect(t, pull, "somebody")
				check(t, pull.Close())
				eventually(t, "the pusher has noticed", func() bool { return push.Stats().Peers == 0 })
				refuses(t, push)
			})
		})
	}
}

// With Immediate the messages that a lost peer has not taken go to the others, and to it when it is back.
func TestImmediateTakesBack(t *testing.T) {
	t.Parallel()
	const n = 2 // one that is being written, and one that waits
	push := newPush(t, zmq.Config{Immediate: true, ReconnectInterval: 5 * time.Millisecond, ReconnectMax: 5 * time.Millisecond})
	l := listenRaw(t)
	check(t, push.Connect(l.endpoint()))
	peer := l.accept().greet("PULL", 1)
	check(t, peer.Conn.(*net.TCPConn).SetReadBuffer(4<<10))
	big := make([]byte, 8<<20) // more than the system takes from us
	for i := range n {
		check(t, push.Send(within(t), fmt.Append(nil, i), big))
	}
	peer.reset()
	peer = l.accept().greet("PULL", 1)
	for i := range n {
		if got := peer.message()[:1]; got != fmt.Sprint(i) {
			t.Fatalf("received message %s, want %d", got, i)
		}
	}
}

// A Send that waits for a peer takes the first endpoint that is connected.
func TestSendWaitsForConnect(t *testing.T) {
	t.Parallel()
	push := newPush(t, zmq.Config{})
	sent := inBackground(func() error { return push.Send(within(t), []byte("x")) })
	select {
	case err := <-sent:
		t.Fatalf("sent to nobody: %v", err)
	case <-time.After(10 * time.Millisecond):
	}
	check(t, push.Connect(closedEndpoint(t)))
	check(t, await(t, "the message is accepted", sent))
	if st := push.Stats(); st.Queued != 1 {
		t.Errorf("statistics: %+v", st)
	}
	check(t, push.Shutdown(ended()))
}
