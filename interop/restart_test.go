package interop_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/experimance/experimance-go/service"
	"github.com/experimance/experimance-go/zmq"
)

// The tests in this file end peers as kill -9 does, and start others in their place. A peer that binds comes back at the
// port that its predecessor had.

const lives = 3

// watched is a configuration whose events arrive at the channel.
func watched() (zmq.Config, <-chan zmq.Event) {
	events := make(chan zmq.Event, 1000)
	return zmq.Config{Events: events, ReconnectInterval: 20 * time.Millisecond, ReconnectMax: 20 * time.Millisecond}, events
}

// await reads events until one of the kind comes.
func await(t *testing.T, events <-chan zmq.Event, kind zmq.EventKind) {
	t.Helper()
	ctx := within(t)
	for {
		select {
		case e := <-events:
			if e.Kind == kind {
				return
			}
		case <-ctx.Done():
			t.Fatalf("no event %q: %v", kind, ctx.Err())
		}
	}
}

// mortal starts a bare Python socket again and again at the same place of a Go socket.
func mortal(t *testing.T, s socket, goBinds bool) (live func(args ...string) *peer) {
	t.Helper()
	if goBinds {
		endpoint := bind(t, s)
		return func(args ...string) *peer {
			t.Helper()
			return startPeer(t, "bare_socket", append(args, "--address", ">"+endpoint)...)
		}
	}
	address := "@" + wildcard()
	return func(args ...string) *peer {
		t.Helper()
		p := startPeer(t, "bare_socket", append(args, "--address", address)...)
		if endpoint := p.endpoint("socket"); address != "@"+endpoint {
			address = "@" + endpoint
			connect(t, s, endpoint)
		}
		return p
	}
}

func TestReceiverKilled(t *testing.T) {
	eachDirection(t, func(t *testing.T, d direction) {
		cfg, events := watched()
		s := openSender(t, d.sender, cfg)
		live := mortal(t, s, d.goBinds)
		const each = 100
		for life := range lives {
			p := live(receiving(d.receiver, "--tally", fmt.Sprint(each))...)
			await(t, events, zmq.EventHandshakeSucceeded)
			waitReady(t, s, 1)
			for i := range each {
				send(t, s, fmt.Appendf(nil, "%012d", life*each+i))
			}
			if e := p.expect("tally"); e.First != life*each || e.Last != (life+1)*each-1 || !e.Ordered {
				t.Errorf("life %d got %+v, want %d from %d on", life, e, each, life*each)
			}
			p.kill()
			await(t, events, zmq.EventDisconnected)
		}
	})
}

func TestSenderKilled(t *testing.T) {
	eachDirection(t, func(t *testing.T, d direction) {
		cfg, events := watched()
		s := openReceiver(t, d.receiver, cfg)
		live := mortal(t, s, d.goBinds)
		const each = 100
		for life := range lives {
			beat := fmt.Sprintf("beat of life %d", life)
			p := live("--type", d.sender, "--beat", beat)
			recvUntil(t, s, beat)
			p.do("quiet", nil)
			p.tell("burst", command{"first": life * each, "count": each})
			receiveBurst(t, s, life*each, each)
			p.kill()
			await(t, events, zmq.EventDisconnected)
		}
	})
}

// TestPushOutlivesPullers kills a puller while messages flow: what was handed to the system for the dead one may be lost,
// and all that comes after it is what its successor gets, in order.
func TestPushOutlivesPullers(t *testing.T) {
	t.Parallel()
	for _, goBinds := range []bool{true, false} {
		t.Run(direction{"PUSH", "PULL", goBinds}.String(), func(t *testing.T) {
			t.Parallel()
			cfg, events := watched()
			cfg.SendHWM, cfg.Linger = 10, time.Minute // what the puller's system has not taken by then counts as dropped
			push := open(t, zmq.NewPush, cfg)
			live := mortal(t, push, goBinds)
			first := live("--type", "PULL", "--tally", "2000", "--hwm", "10")
			ctx, stop := context.WithCancel(within(t))
			accepted := make(chan int, 1)
			go func() {
				number := 0
				for push.Send(ctx, fmt.Appendf(nil, "%012d", number)) == nil {
					number++
				}
				accepted <- number
			}()
			if e := first.expect("tally"); !e.Ordered || e.First != 0 || e.Last != 1999 {
				t.Errorf("the first got %+v, want 2000 from 0 on", e)
			}
			first.kill()
			await(t, events, zmq.EventDisconnected)
			sent := int(push.Stats().MessagesSent)
			second := live("--type", "PULL", "--tally", "2000", "--hwm", "10")
			e := second.expect("tally")
			if !e.Ordered || e.First != sent || e.Last != sent+1999 {
				t.Errorf("the second got %+v, want 2000 from %d on: so many had been handed to the system", e, sent)
			}
			stop()
			total := <-accepted
			if err := push.Close(); err != nil {
				t.Fatal(err)
			}
			tallyUntil(second, total-1)
			if s := push.Stats(); int(s.MessagesSent) != total || s.Dropped != 0 || s.Queued != 0 {
				t.Errorf("%+v in the end, want %d sent", s, total)
			}
		})
	}
}

// TestPushOutlivesFullPuller kills a puller that has stopped to receive, in the middle of a write: the message that was
// cut in two, and those behind it, are its successor's.
func TestPushOutlivesFullPuller(t *testing.T) {
	t.Parallel()
	for _, goBinds := range []bool{true, false} {
		t.Run(direction{"PUSH", "PULL", goBinds}.String(), func(t *testing.T) {
			t.Parallel()
			cfg, events := watched()
			cfg.SendHWM, cfg.Linger = 20, time.Minute // what the puller's system has not taken by then counts as dropped
			push := open(t, zmq.NewPush, cfg)
			live := mortal(t, push, goBinds)
			first := live("--type", "PULL", "--hwm", "10")
			waitReady(t, push, 1)
			first.do("pause", nil)
			body, total := make([]byte, 50_000), 0
			for full := false; !full; {
				ctx, cancel := context.WithTimeout(within(t), 300*time.Millisecond)
				copy(body, fmt.Sprintf("%012d", total))
				if full = push.Send(ctx, body) != nil; !full {
					total++
				}
				cancel()
			}
			first.kill()
			await(t, events, zmq.EventDisconnected)
			sent := int(push.Stats().MessagesSent)
			second := live("--type", "PULL", "--tally", fmt.Sprint(total))
			e := tallyUntil(second, total-1)
			if !e.Ordered || e.First != sent || e.Count != total-sent {
				t.Errorf("the second got %+v, want %d to %d: those before had been handed to the system", e, sent, total-1)
			}
			if err := push.Close(); err != nil {
				t.Fatal(err)
			}
			if s := push.Stats(); int(s.MessagesSent) != total || s.Dropped != 0 {
				t.Errorf("%+v in the end, want %d sent", s, total)
			}
		})
	}
}

// tallyUntil asks for the tally until the message of this number has come.
func tallyUntil(p *peer, last int) event {
	p.t.Helper()
	for {
		p.tell("tally", nil)
		if e := p.expect("tally"); e.Last >= last {
			return e
		}
	}
}

// TestGoListenerReturns closes a Go socket and opens another at its endpoint: Python peers come back by themselves.
func TestGoListenerReturns(t *testing.T) {
	t.Parallel()
	t.Run("PULL", func(t *testing.T) {
		t.Parallel()
		pull := open(t, zmq.NewPull, zmq.Config{})
		p := meet(t, pull, true, "--type", "PUSH", "--beat", "beat")
		recvAny(t, pull)
		endpoint := pull.Endpoints()[0]
		if err := pull.Close(); err != nil {
			t.Fatal(err)
		}
		pull = open(t, zmq.NewPull, zmq.Config{})
		again(t, func() error {
			_, err := pull.Bind(endpoint)
			return err
		})
		awaitBeat(t, pull, p)
	})
	t.Run("PUB", func(t *testing.T) {
		t.Parallel()
		pub := open(t, zmq.NewPub, zmq.Config{})
		p := meet(t, pub, true, receiving("SUB")...)
		waitReady(t, pub, 1)
		endpoint := pub.Endpoints()[0]
		if err := pub.Close(); err != nil {
			t.Fatal(err)
		}
		pub = open(t, zmq.NewPub, zmq.Config{})
		again(t, func() error {
			_, err := pub.Bind(endpoint)
			return err
		})
		waitReady(t, pub, 1)
		send(t, pub, []byte("back"))
		p.expect("received", text("back"))
	})
}

// again does something that binds until nobody else has the address. A listener that was closed lives on for a moment
// where another test has just forked to start a peer: its child holds a copy until it executes the program.
func again(t *testing.T, do func() error) {
	t.Helper()
	ctx := within(t)
	for {
		err := do()
		if err == nil {
			return
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
		select {
		case <-time.After(service.Tick):
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

// TestPythonStops has a peer send, and end as a service does: all that it sent arrives.
func TestPythonStops(t *testing.T) {
	eachDirection(t, func(t *testing.T, d direction) {
		cfg, events := watched()
		s := openReceiver(t, d.receiver, cfg)
		p := meet(t, s, d.goBinds, "--type", d.sender, "--beat", "beat")
		awaitBeat(t, s, p)
		p.tell("burst", command{"count": 900})
		p.stop()
		receiveBurst(t, s, 0, 900)
		await(t, events, zmq.EventDisconnected)
	})
}

// TestCloseSendsWhatIsQueued closes a Go socket right after its last Send.
func TestCloseSendsWhatIsQueued(t *testing.T) {
	eachDirection(t, func(t *testing.T, d direction) {
		s := openSender(t, d.sender, zmq.Config{Linger: patience})
		p := meet(t, s, d.goBinds, receiving(d.receiver, "--tally", "900")...)
		waitReady(t, s, 1)
		for number := range 900 {
			send(t, s, fmt.Appendf(nil, "%012d", number))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if e := p.expect("tally"); e.Last != 899 || !e.Ordered {
			t.Errorf("Python got %+v, want 900 in order", e)
		}
	})
}
