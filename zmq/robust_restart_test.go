package zmq_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// restarts is how often each of the tests below kills somebody.
func restarts() int {
	if testing.Short() || raceDetector {
		return 200
	}
	return 1000
}

// leavesNothing fails the test unless there are as many goroutines and descriptors after f as before. The test must not run
// beside others.
func leavesNothing(t *testing.T, f func()) {
	t.Helper()
	goroutines, sockets := runtime.NumGoroutine(), openSockets(t)
	f()
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, "no descriptor is left", func() bool { return openSockets(t) <= sockets })
}

// openSockets counts the program's descriptors that are connections or listeners, where the system tells. Others come and go
// with the runtime.
func openSockets(t *testing.T) (n int) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	const all = "/proc/self/fd/"
	for _, fd := range must(os.ReadDir(all))(t) {
		if is, err := os.Readlink(all + fd.Name()); err == nil && strings.HasPrefix(is, "socket:") {
			n++
		}
	}
	return n
}

// load sends numbered messages until it is stopped.
type load struct {
	push *zmq.Push
	stop context.CancelFunc
	sent <-chan int
}

func newLoad(t *testing.T, push *zmq.Push, size int) *load {
	ctx, stop := context.WithCancel(within(t))
	return &load{push, stop, inBackground(func() (n int) {
		body := make([]byte, size)
		for push.Send(ctx, fmt.Append(nil, n), body) == nil {
			n++
		}
		return n
	})}
}

// end stops the load, and receives until everything was sent and the sender has gone. It returns how many messages were
// accepted, all of which must be counted as sent.
func (l *load) end(t *testing.T, pull *zmq.Pull, add func(m string)) (accepted int) {
	t.Helper()
	l.stop()
	accepted = await(t, "the end of the load", l.sent)
	for l.push.Stats().Queued > 0 {
		if m, came := recvSoon(t, pull); came {
			add(m)
		}
	}
	if st := l.push.Stats(); st.MessagesSent != uint64(accepted) || st.Dropped != 0 {
		t.Errorf("%d messages accepted, at the end %+v", accepted, st)
	}
	closed := inBackground(l.push.Close) // which waits for the receiver
	untilGone(t, pull, add)
	check(t, await(t, "the end of Close", closed))
	return accepted
}

// rising checks that numbered messages come in their order, none of them twice.
type rising struct{ last, n int }

func (r *rising) add(t *testing.T, m string) {
	t.Helper()
	first, _, _ := strings.Cut(m, "|")
	number := must(strconv.Atoi(first))(t)
	if number <= r.last && r.n > 0 {
		t.Fatalf("message %d came after %d", number, r.last)
	}
	r.last, r.n = number, r.n+1
}

// recvSoon receives the next message, where one comes soon.
func recvSoon(t *testing.T, pull *zmq.Pull) (m string, came bool) {
	t.Helper()
	got, err := pull.Recv(shortly())
	if err != nil {
		return "", false
	}
	return text(got), true
}

// untilGone receives what comes before the peer has gone.
func untilGone(t *testing.T, pull *zmq.Pull, add func(m string)) {
	t.Helper()
	for gone := false; ; {
		m, came := recvSoon(t, pull)
		if came {
			add(m)
		} else if gone {
			return
		}
		gone = pull.Stats().Peers == 0
	}
}

// A PULL dies under load and another one takes its place, again and again. PUSH goes on with the first message that was not on
// its way to the dead one. Within a process nothing is: what arrives and what the dead ones have dropped is everything.
func TestPullRestarts(t *testing.T) {
	for carrier, endpoint := range endpoints(t) {
		t.Run(carrier, func(t *testing.T) {
			leavesNothing(t, func() { pullRestarts(t, endpoint) })
		})
	}
}

func pullRestarts(t *testing.T, endpoint string) {
	cfg := zmq.Config{RecvHWM: 20}
	pull := must(zmq.NewPull(cfg))(t)
	at := bind(t, pull, endpoint)
	push := must(zmq.NewPush(zmq.Config{SendHWM: 20, ReconnectInterval: time.Millisecond, ReconnectMax: time.Millisecond, Linger: time.Minute}))(t)
	check(t, push.Connect(at))
	l := newLoad(t, push, 500)
	var seen rising
	add := func(m string) { seen.add(t, m) }
	dropped := 0
	for cycle := range restarts() {
		for range 1 + cycle%7 {
			add(recv(t, pull))
		}
		check(t, pull.Close())
		dropped += int(pull.Stats().Discarded)
		pull = must(zmq.NewPull(cfg))(t)
		eventually(t, "the endpoint is free again", func() bool {
			_, err := pull.Bind(at)
			return err == nil
		})
	}
	add(recv(t, pull)) // so that no dead one takes the last one along
	accepted := l.end(t, pull, add)
	check(t, pull.Close())
	switch lost := accepted - seen.n - dropped; {
	case isInproc(at) && lost != 0, lost < 0:
		t.Errorf("%d messages were accepted, %d arrived, %d were dropped by the dead", accepted, seen.n, dropped)
	case seen.last != accepted-1:
		t.Errorf("the last message is %d, want %d", seen.last, accepted-1)
	}
}

// PUSHes come, send, and are closed, many at once. With the time to linger everything arrives, of each in its order.
func TestPushRestarts(t *testing.T) {
	for carrier, endpoint := range endpoints(t) {
		t.Run(carrier, func(t *testing.T) {
			leavesNothing(t, func() { pushRestarts(t, endpoint) })
		})
	}
}

func pushRestarts(t *testing.T, endpoint string) {
	const workers, messages = 4, 20
	pull := must(zmq.NewPull(zmq.Config{RecvHWM: 20}))(t)
	at := bind(t, pull, endpoint)
	ctx, each := within(t), restarts()/workers
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for cycle := range each {
				if err := pushOnce(ctx, at, fmt.Sprintf("%d/%d", w, cycle), messages); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	next := map[string]int{}
	for range workers * each * messages {
		name, number, _ := strings.Cut(recv(t, pull), "|")
		if number != fmt.Sprint(next[name]) {
			t.Fatalf("%s: message %s came instead of %d", name, number, next[name])
		}
		next[name]++
	}
	wg.Wait()
	eventually(t, "they have gone", func() bool { return pull.Stats().Peers == 0 })
	check(t, pull.Close())
}

// pushOnce sends messages with a new socket, and closes it.
func pushOnce(ctx context.Context, endpoint, name string, messages int) error {
	push, err := zmq.NewPush(zmq.Config{Linger: time.Minute, SendHWM: 5})
	if err != nil {
		return err
	}
	if err := push.Connect(endpoint); err != nil {
		return err
	}
	for i := range messages {
		if err := push.Send(ctx, []byte(name), fmt.Append(nil, i)); err != nil {
			return err
		}
	}
	return push.Close()
}

// The network between two sockets fails under load, again and again. What arrives does so once, and the sockets find together
// each time.
func TestConnectionsReset(t *testing.T) {
	for name, sec := range securities(t) {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t, func() {
				t.Run("load", func(t *testing.T) { connectionsReset(t, sec) }) // at whose end the relay is gone
			})
		})
	}
}

func connectionsReset(t *testing.T, sec secured) {
	pull := newPull(t, zmq.Config{Security: sec.server, RecvHWM: 20})
	push := newPush(t, zmq.Config{Security: sec.client, SendHWM: 20, ReconnectInterval: time.Millisecond, ReconnectMax: time.Millisecond, Linger: time.Minute})
	r := newRelay(t, bind(t, pull, wildcard))
	check(t, push.Connect(r.Endpoint()))
	l := newLoad(t, push, 500)
	seen := &arrivals{t: t, at: map[int]bool{}}
	for range restarts() {
		for range 50 { // more than waits of an earlier connection
			seen.add(recv(t, pull))
		}
		r.Reset()
	}
	seen.add(recv(t, pull))
	accepted := l.end(t, pull, seen.add)
	if n := seen.count(); n > accepted {
		t.Errorf("%d messages were accepted, %d arrived", accepted, n)
	}
}

// Peers of a PUSH die under load so that all that was on their wire is known: every message that was accepted has arrived
// somewhere, once, and at each peer in order.
func TestPeersDieCounted(t *testing.T) {
	leavesNothing(t, func() {
		t.Run("load", func(t *testing.T) { peersDieCounted(t, restarts()/4) })
	})
}

func peersDieCounted(t *testing.T, deaths int) {
	push := newPush(t, zmq.Config{SendHWM: 20})
	at := bind(t, push, wildcard)
	l := newLoad(t, push, 16<<10)
	seen := &arrivals{t: t, at: map[int]bool{}}
	for range deaths {
		victim := dialRaw(t, at).greet("PULL", 1)
		seen.add(victim.message())
		victim.write([]byte{0xff}) // which makes PUSH end the connection
		victim.messagesUntilEnd(seen)
		victim.Close()
	}
	heir := newPull(t, zmq.Config{})
	check(t, heir.Connect(at))
	if accepted := l.end(t, heir, seen.add); seen.count() != accepted {
		t.Errorf("%d messages were accepted, %d arrived", accepted, seen.count())
	}
}
