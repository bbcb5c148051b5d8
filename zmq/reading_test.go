package zmq_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// reads is a socket that may read from its connection itself.
type reads interface {
	receiver
	ReceiverReads() bool
	ReceiverWaits() bool
	Lent() bool
}

// result is what a Recv returned.
type result struct {
	text string
	err  error
}

// receiving starts a Recv.
func receiving(ctx context.Context, s receiver) <-chan result {
	return inBackground(func() result {
		m, err := s.Recv(ctx)
		return result{text(m), err}
	})
}

// reading starts a Recv that reads from the connection itself. Until that is so, it feeds the socket messages one by one.
func reading(ctx context.Context, t *testing.T, s reads, feed func()) <-chan result {
	t.Helper()
	for {
		r := receiving(ctx, s)
		eventually(t, "a receiver", func() bool { return s.ReceiverReads() || s.ReceiverWaits() })
		if s.ReceiverReads() {
			return r
		}
		feed()
		if got := await(t, "a message", r); got.err != nil {
			t.Fatal(got.err)
		}
	}
}

// fed makes a PULL, of which a receiver reads itself until ctx ends, and its PUSH.
func fed(ctx context.Context, t *testing.T, endpoint string) (*zmq.Pull, *zmq.Push, <-chan result) {
	t.Helper()
	pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
	check(t, push.Connect(bind(t, pull, endpoint)))
	return pull, push, reading(ctx, t, pull, func() { send(t, push, "food") })
}

// overStreams tests over the carriers that have connections.
func overStreams(t *testing.T, test func(t *testing.T, endpoint string)) {
	t.Helper()
	for name, endpoint := range endpoints(t) {
		if name == "inproc" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, endpoint)
		})
	}
}

func TestReceiverThatReadsIsInterrupted(t *testing.T) {
	t.Parallel()
	overStreams(t, func(t *testing.T, endpoint string) {
		ctx, cancel := context.WithCancel(within(t))
		pull, push, r := fed(ctx, t, endpoint)
		cancel()
		if got := await(t, "the end of Recv", r); !errors.Is(got.err, context.Canceled) {
			t.Fatalf("Recv ended with %v", got.err)
		}
		send(t, push, "later")
		expect(t, pull, "later")
	})
}

func TestReceiverThatReadsIsInterruptedByClose(t *testing.T) {
	t.Parallel()
	overStreams(t, func(t *testing.T, endpoint string) {
		pull, _, r := fed(within(t), t, endpoint)
		check(t, pull.Close())
		if got := await(t, "the end of Recv", r); !errors.Is(got.err, zmq.ErrClosed) {
			t.Fatalf("Recv ended with %v", got.err)
		}
	})
}

// A receiver that reads from the only connection must not miss what comes by another.
func TestReceiverThatReadsHearsOfAnotherPeer(t *testing.T) {
	t.Parallel()
	for name, second := range endpoints(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pull, push, r := fed(within(t), t, wildcard)
			other := newPush(t, zmq.Config{})
			check(t, other.Connect(bind(t, pull, second)))
			send(t, other, "from another")
			if got := await(t, "a message", r); got.text != "from another" {
				t.Fatalf("received %q, %v", got.text, got.err)
			}
			send(t, push, "from the first")
			expect(t, pull, "from the first")
		})
	}
}

// While one receiver is busy with what it has read, another one gets the next message.
func TestReceiversReadInTurn(t *testing.T) {
	t.Parallel()
	overStreams(t, func(t *testing.T, endpoint string) {
		pull, push, r := fed(within(t), t, endpoint)
		for i := range 100 {
			next := receiving(within(t), pull)
			eventually(t, "a second receiver", pull.ReceiverWaits)
			send(t, push, fmt.Sprint(2*i))
			send(t, push, fmt.Sprint(2*i+1))
			got := []string{await(t, "the first message", r).text, await(t, "the second message", next).text}
			if a, b := fmt.Sprint(2*i), fmt.Sprint(2*i+1); !(got[0] == a && got[1] == b || got[0] == b && got[1] == a) {
				t.Fatalf("received %q", got)
			}
			r = reading(within(t), t, pull, func() { send(t, push, "food") })
		}
		send(t, push, "end")
		await(t, "the end", r)
	})
}

// The end of a connection is noticed also when the receiver that has read last does not come back.
func TestReaderTakesItsPartBack(t *testing.T) {
	t.Parallel()
	overStreams(t, func(t *testing.T, endpoint string) {
		events := make(chan zmq.Event, 100)
		pull, push := newPull(t, zmq.Config{Events: events}), newPush(t, zmq.Config{})
		check(t, push.Connect(bind(t, pull, endpoint)))
		r := reading(within(t), t, pull, func() { send(t, push, "food") })
		send(t, push, "last")
		await(t, "the last message", r)
		check(t, push.Close())
		for {
			if e := await(t, "the event", events); e.Kind == zmq.EventDisconnected {
				return
			}
		}
	})
}

// Receivers of a REQ and a REP whose peers answer at once look again and again for a while before they sleep. They are
// interrupted then as at any other time.
func TestReceiverThatLooksIsInterrupted(t *testing.T) {
	t.Parallel()
	overStreams(t, func(t *testing.T, endpoint string) {
		rep, req := must(zmq.NewRep(zmq.Config{}))(t), must(zmq.NewReq(zmq.Config{}))(t)
		closing(t, rep)
		closing(t, req)
		check(t, req.Connect(bind(t, rep, endpoint)))
		interrupted := func(s reads) {
			ctx, cancel := context.WithCancel(within(t))
			r := receiving(ctx, s)
			eventually(t, "a receiver", func() bool { return s.ReceiverReads() || s.ReceiverWaits() })
			cancel()
			if got := await(t, "the end of Recv", r); !errors.Is(got.err, context.Canceled) {
				t.Fatalf("Recv ended with %q, %v", got.text, got.err)
			}
		}
		for i := range 300 {
			question, answer := fmt.Sprint("question ", i), fmt.Sprint("answer ", i)
			answered := inBackground(func() error {
				m, err := rep.Recv(within(t))
				if err == nil && string(m.Bytes()) != question {
					err = fmt.Errorf("received %q", m.Bytes())
				}
				if err == nil {
					err = rep.Send(within(t), []byte(answer))
				}
				return err
			})
			send(t, req, question)
			if i%3 == 1 {
				check(t, await(t, "the reply", answered))
				expect(t, req, answer)
				interrupted(rep)
				continue
			}
			expect(t, req, answer)
			check(t, await(t, "the reply", answered))
			if i%3 == 2 {
				send(t, req, "slow question")
				expect(t, rep, "slow question")
				interrupted(req)
				send(t, rep, "slow answer")
				expect(t, req, "slow answer")
			}
		}
	})
}

// A REQ that reads itself is told when the request is lost with its server.
func TestRequesterThatReadsLosesItsServer(t *testing.T) {
	t.Parallel()
	overStreams(t, func(t *testing.T, endpoint string) {
		ctx := within(t)
		rep, req := must(zmq.NewRep(zmq.Config{}))(t), must(zmq.NewReq(zmq.Config{}))(t)
		closing(t, rep)
		closing(t, req)
		check(t, req.Connect(bind(t, rep, endpoint)))
		var r <-chan result
		for {
			send(t, req, "question")
			expect(t, rep, "question")
			r = receiving(ctx, req)
			eventually(t, "a receiver", func() bool { return req.ReceiverReads() || req.ReceiverWaits() })
			if req.ReceiverReads() {
				break
			}
			send(t, rep, "answer")
			await(t, "the answer", r)
		}
		check(t, rep.Close())
		if got := await(t, "the end of Recv", r); !errors.Is(got.err, zmq.ErrPeerGone) {
			t.Fatalf("Recv ended with %q, %v", got.text, got.err)
		}
	})
}

// Whenever a receiver is interrupted, within a message too, nothing is lost and nothing comes twice.
func TestInterruptionsLoseNothing(t *testing.T) {
	t.Parallel()
	overStreams(t, func(t *testing.T, endpoint string) {
		const messages = 3000
		ctx := within(t)
		pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
		check(t, push.Connect(bind(t, pull, endpoint)))
		body := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 1+i*i%70_000) }
		sent := inBackground(func() error {
			for i := range messages {
				if err := push.Send(ctx, body(i)); err != nil {
					return err
				}
			}
			return nil
		})
		interrupted := 0
		for i := 0; i < messages; {
			short, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(100))*time.Microsecond)
			m, err := pull.Recv(short)
			cancel()
			switch {
			case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
				interrupted++
				continue
			case err != nil:
				t.Fatal(err)
			case !bytes.Equal(m.Bytes(), body(i)):
				t.Fatalf("message %d is not the one expected: %d bytes", i, len(m.Bytes()))
			}
			m.Release()
			i++
		}
		check(t, await(t, "the end of sending", sent))
		t.Logf("%d interruptions", interrupted)
	})
}

// A receiver that finds what a peer must not send ends the connection.
func TestReceiverThatReadsFindsAnError(t *testing.T) {
	t.Parallel()
	pull := newPull(t, zmq.Config{})
	raw := dialRaw(t, bind(t, pull, wildcard)).greet("PUSH", 0)
	ctx, cancel := context.WithCancel(within(t))
	r := reading(ctx, t, pull, func() { raw.write(message("food")) })
	raw.write(binary.BigEndian.AppendUint64([]byte{wire.FlagLong}, 1<<60))
	raw.expectEnd()
	cancel()
	if got := await(t, "the end of Recv", r); !errors.Is(got.err, context.Canceled) {
		t.Fatalf("Recv ended with %v", got.err)
	}
}

// A slow receiver, for which much was read already, does not make a live peer look dead.
func TestSlowReceiverKeepsItsPeer(t *testing.T) {
	t.Parallel()
	events := make(chan zmq.Event, 1000)
	pull := newPull(t, zmq.Config{RecvHWM: 3, HeartbeatInterval: 250 * time.Millisecond, HeartbeatTimeout: time.Second, Events: events})
	push := newPush(t, zmq.Config{SendHWM: 10_000, Linger: -1})
	pair(t, pull, push, wildcard)
	for range 5000 {
		send(t, push, "x")
	}
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for range 2000 { // two seconds in which there is nothing to be read
		expect(t, pull, "x")
		<-pace.C
	}
	for len(events) > 0 {
		if e := <-events; e.Kind == zmq.EventDisconnected {
			t.Fatalf("a live peer was cut: %v", e.Err)
		}
	}
}

// served plays the server of a REQ that reads itself, with one request answered.
func served(t *testing.T, req *zmq.Req, l rawListener) *rawPeer {
	t.Helper()
	raw := l.accept().greet("REP", 0)
	ask := func() {
		send(t, req, "question")
		raw.message()
	}
	ask()
	first := true
	r := reading(within(t), t, nextRequest{req, func() {
		if !first {
			ask()
		}
		first = false
	}}, func() { raw.write(message("", "answer")) })
	raw.write(message("", "answer"))
	await(t, "the answer", r)
	return raw
}

// nextRequest is a REQ that sends its next request before it receives.
type nextRequest struct {
	*zmq.Req
	ask func()
}

func (r nextRequest) Recv(ctx context.Context) (zmq.Message, error) {
	r.ask()
	return r.Req.Recv(ctx)
}

// What came since the last reply is noticed before the next request is sent, although nobody has read since: an answer that
// came twice is no reply to it, and a server that has gone does not get it.
func TestRequesterLooksBeforeItSends(t *testing.T) {
	t.Parallel()
	const rounds = 10
	t.Run("answer", func(t *testing.T) {
		t.Parallel()
		wrong := 0
		for range rounds {
			req, l := must(zmq.NewReq(zmq.Config{}))(t), listenRaw(t)
			closing(t, req)
			check(t, req.Connect(l.endpoint()))
			raw := served(t, req, l)
			raw.write(message("", "again"))
			send(t, req, "next")
			raw.message()
			raw.write(message("", "right"))
			if recv(t, req) != "right" {
				wrong++ // it may have been on its way
			}
		}
		if wrong == rounds {
			t.Error("an answer that came before the request was taken for its reply each time")
		}
	})
	t.Run("end", func(t *testing.T) {
		t.Parallel()
		lost := 0
		for range rounds {
			req, l := must(zmq.NewReq(zmq.Config{ReconnectInterval: time.Millisecond, ReconnectMax: time.Millisecond}))(t), listenRaw(t)
			closing(t, req)
			check(t, req.Connect(l.endpoint()))
			served(t, req, l).Close()
			send(t, req, "next")
			r := receiving(within(t), req)
			second := l.accept().greet("REP", 0)
			answered := inBackground(func() string { return second.message() })
			select {
			case <-answered:
				second.write(message("", "right"))
				if got := await(t, "the answer", r); got.text != "right" {
					t.Errorf("received %q, %v", got.text, got.err)
				}
			case got := <-r: // its end may have been on its way
				if !errors.Is(got.err, zmq.ErrPeerGone) {
					t.Errorf("received %q, %v", got.text, got.err)
				}
				lost++
				second.write(message("", "late"))
				second.Close()
			}
		}
		if lost == rounds {
			t.Error("the request went to a server that had closed the connection each time")
		}
	})
}

// Where something would be missed while nobody reads, receivers do not: the end of a peer that may come back at once or is sent
// to, and with Conflate what is newer.
func TestReadersThatKeepTheirPart(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) (reads, sender){
		"ROUTER": func(t *testing.T) (reads, sender) { return peersOf(t, zmq.NewRouter, zmq.NewDealer, zmq.Config{}) },
		"DEALER": func(t *testing.T) (reads, sender) { return peersOf(t, zmq.NewDealer, zmq.NewDealer, zmq.Config{}) },
		"PAIR":   func(t *testing.T) (reads, sender) { return peersOf(t, zmq.NewPair, zmq.NewPair, zmq.Config{}) },
		"conflate": func(t *testing.T) (reads, sender) {
			return peersOf(t, zmq.NewPull, zmq.NewPush, zmq.Config{Conflate: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, peer := open(t)
			for range 20 {
				r := receiving(within(t), s)
				eventually(t, "a receiver", func() bool { return s.ReceiverReads() || s.ReceiverWaits() })
				if s.ReceiverReads() || s.Lent() {
					t.Fatal("the reader has lent its part")
				}
				send(t, peer, "food")
				if got := await(t, "a message", r); got.err != nil {
					t.Fatal(got.err)
				}
			}
		})
	}
}

func peersOf[R reads, S sender](t *testing.T, newR func(zmq.Config) (R, error), newS func(zmq.Config) (S, error), cfg zmq.Config) (reads, sender) {
	r, s := must(newR(cfg))(t), must(newS(zmq.Config{}))(t)
	closing(t, r)
	closing(t, s)
	pair(t, r, s, wildcard)
	return r, s
}

// When more comes to a SUB than one read takes, its reader goes on at once, so that the inbox fills while the receiver is busy.
func TestBurstIsReadAhead(t *testing.T) {
	t.Parallel()
	sub := newSub(t, zmq.Config{}, "")
	raw := dialRaw(t, bind(t, sub, wildcard)).greet("PUB", 0)
	r := reading(within(t), t, sub, func() { raw.write(message("food")) })
	raw.write(bytes.Repeat(message("burst"), 50_000))
	if got := await(t, "a message", r); got.text != "burst" {
		t.Fatalf("received %q, %v", got.text, got.err)
	}
	if sub.Lent() {
		t.Error("nobody reads, although more is there")
	}
}
