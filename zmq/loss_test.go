package zmq_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// Peers of a PUSH die under load, one after the other. Nothing arrives twice, and what was not on the wire of one that
// died arrives elsewhere.
func TestPullersDie(t *testing.T) {
	t.Parallel()
	for _, binds := range []bool{true, false} {
		t.Run(fmt.Sprintf("PUSH binds=%v", binds), func(t *testing.T) {
			t.Parallel()
			for name, send := range map[string]func(ctx context.Context, push *zmq.Push, n string) error{
				"Send": func(ctx context.Context, push *zmq.Push, n string) error {
					return push.Send(ctx, []byte(n), make([]byte, 8<<10))
				},
				"SendZeroCopy": func(ctx context.Context, push *zmq.Push, n string) error {
					return push.SendZeroCopy(ctx, []byte(n), make([]byte, 16<<10))
				},
			} {
				t.Run(name+", at once", func(t *testing.T) {
					t.Parallel()
					pullersDie(t, binds, send, func(victim *rawPeer, _ *arrivals) { victim.reset() })
				})
				t.Run(name+", so that all on the wire is seen", func(t *testing.T) {
					t.Parallel()
					sent, seen := pullersDie(t, binds, send, func(victim *rawPeer, seen *arrivals) {
						victim.write([]byte{0xff}) // which makes PUSH end the connection
						victim.messagesUntilEnd(seen)
					})
					eventually(t, "the others have arrived", func() bool { return seen.count() == sent })
				})
			}
		})
	}
}

// pullersDie sends messages to two peers and to some that die. It returns how many were accepted, and those that arrived.
func pullersDie(t *testing.T, binds bool, send func(ctx context.Context, push *zmq.Push, n string) error, die func(victim *rawPeer, seen *arrivals)) (accepted int, seen *arrivals) {
	const deaths = 10
	cfg := quick
	cfg.SendHWM, cfg.Immediate = 20, true
	push := newPush(t, cfg)
	join := func(pull *zmq.Pull) { check(t, push.Connect(bind(t, pull, wildcard))) }
	victims := listenRaw(t)
	meet := victims.accept
	if binds {
		at := bind(t, push, wildcard)
		join = func(pull *zmq.Pull) { check(t, pull.Connect(at)) }
		meet = func() *rawPeer { return dialRaw(t, at) }
	} else {
		check(t, push.Connect(victims.endpoint()))
	}

	seen = &arrivals{t: t, at: map[int]bool{}}
	for range 2 {
		pull := newPull(t, zmq.Config{RecvHWM: 20})
		join(pull)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for m, err := pull.Recv(context.Background()); err == nil; m, err = pull.Recv(context.Background()) {
				seen.add(text(m))
			}
		}()
		t.Cleanup(func() {
			check(t, pull.Close())
			<-ended
		})
	}
	load, stop := context.WithCancel(within(t))
	defer stop()
	sent := inBackground(func() (n int) {
		for send(load, push, strconv.Itoa(n)) == nil {
			n++
		}
		return n
	})
	for range deaths {
		victim := meet().greet("PULL", 1)
		for range 5 {
			seen.add(victim.message())
		}
		die(victim, seen)
	}
	stop()
	accepted = await(t, "the sender", sent)
	if binds {
		eventually(t, "the dead are forgotten", func() bool { return push.Stats().Peers == 2 })
	} else {
		check(t, push.Disconnect(victims.endpoint()))
	}
	if st := settled(t, push); st.MessagesSent != uint64(accepted) || st.Dropped != 0 {
		t.Errorf("%d messages accepted, at the end %+v", accepted, st)
	}
	return accepted, seen
}

// messagesUntilEnd receives the messages that come before the end of the connection, without one that is cut off.
func (p *rawPeer) messagesUntilEnd(seen *arrivals) {
	p.t.Helper()
	all, err := io.ReadAll(p)
	if err != nil {
		p.t.Errorf("the connection's end: %v", err)
	}
	for len(all) > 0 {
		var frames []string
		for more := true; more; {
			flags, size, head, err := wire.ParseHeader(all)
			check(p.t, err)
			end := head + int(size)
			if head == 0 || end > len(all) {
				return
			}
			frames = append(frames, string(all[head:end]))
			all, more = all[end:], flags&wire.FlagMore != 0
		}
		seen.add(strings.Join(frames, "|"))
	}
}

// arrivals notes which numbered messages have arrived.
type arrivals struct {
	t  *testing.T
	mu sync.Mutex
	at map[int]bool
}

func (a *arrivals) add(m string) {
	number, _, _ := strings.Cut(m, "|")
	n, err := strconv.Atoi(number)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at[n] {
		err = errors.Join(err, errors.New("it came twice"))
	}
	if err != nil {
		a.t.Errorf("message %.20q: %v", number, err)
	}
	a.at[n] = true
}

func (a *arrivals) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.at)
}
