package zmq_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// partings are the ways in which a stranger leaves.
var partings = map[string]func(p *rawPeer){
	"reset": (*rawPeer).reset,
	"FIN": func(p *rawPeer) {
		p.closeWrite()
		p.expectEnd()
		p.Close()
	},
}

// breakOff has a stranger leave after each part of its handshake, and in the midst of each. It returns how many came.
func breakOff(meet func() *speaker, leave func(p *rawPeer)) (n int) {
	for half := range 2 {
		for things := 0; ; things++ {
			s := meet()
			n++
			over := !s.speak(things)
			if say := s.next(); half == 1 {
				s.write(say[:len(say)/2])
			}
			leave(s.rawPeer)
			if over || s.done {
				break
			}
		}
	}
	return n
}

// honestPair is how many goroutines a bound socket and its connected peer have: two for each end of the connection, and one
// that accepts others.
const honestPair = 5

// Strangers who leave in any stage of their handshake leave nothing behind, and harm nobody.
func TestLeavingInEachStage(t *testing.T) {
	for name, sec := range securities(t) {
		for parting, leave := range partings {
			t.Run(name+"/"+parting, func(t *testing.T) {
				leavingInEachStage(t, sec, leave)
			})
		}
	}
}

func leavingInEachStage(t *testing.T, sec secured, leave func(p *rawPeer)) {
	before := runtime.NumGoroutine()
	events := make(chan zmq.Event, 1000)
	pull, push := newPull(t, zmq.Config{Security: sec.server, Events: events}), newPush(t, zmq.Config{Security: sec.client})
	at := pair(t, pull, push, wildcard)
	strangers := 0
	for round := range 10 {
		strangers += breakOff(func() *speaker { return newSpeaker(dialRaw(t, at), "PUSH", sec.client, false) }, leave)
		send(t, push, fmt.Sprint(round))
		expect(t, pull, fmt.Sprint(round))
	}
	for ended := 0; ended < strangers; {
		switch e := await(t, "the end of a stranger", events); e.Kind {
		case zmq.EventHandshakeFailed:
			checkHandshakeError(t, e.Err, zmq.HandshakeNetwork, "")
			ended++
		case zmq.EventDisconnected:
			ended++
		}
	}
	eventually(t, "the strangers are forgotten", func() bool {
		return pull.Stats().Peers == 1 && runtime.NumGoroutine() <= before+honestPair
	})
}

// The same by those to whom a socket connects: it comes back each time, and finds an honest one in the end.
func TestLeavingListener(t *testing.T) {
	for name, sec := range securities(t) {
		for parting, leave := range partings {
			t.Run(name+"/"+parting, func(t *testing.T) {
				t.Parallel()
				cfg := quick
				cfg.Security, cfg.Immediate = sec.client, true
				push := newPush(t, cfg)
				l := listenRaw(t)
				check(t, push.Connect(l.endpoint()))
				for range 3 {
					breakOff(func() *speaker { return newSpeaker(l.accept(), "PULL", sec.server, true) }, leave)
				}
				honest := newSpeaker(l.accept(), "PULL", sec.server, true).finish()
				send(t, push, "hello")
				if got := honest.receiveMessage(); got != "hello" {
					t.Errorf("received %q", got)
				}
			})
		}
	}
}

// Strangers who go silent in any stage, or say what comes next a byte at a time, are gone when
// their time is up. Until then they take one goroutine, a second for the moment in which their time
// is up, and little memory each, and hold up nobody.
func TestSlowInEachStage(t *testing.T) {
	for name, sec := range securities(t) {
		for _, drips := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/drips=%v", name, drips), func(t *testing.T) {
				slowInEachStage(t, sec, drips)
			})
		}
	}
}

func slowInEachStage(t *testing.T, sec secured, drips bool) {
	const strangers = 60
	stages := 3 // nothing said; the greeting; HELLO
	if sec.server == nil {
		stages = 2
	}
	events := make(chan zmq.Event, 10*strangers)
	pull := newPull(t, zmq.Config{Security: sec.server, HandshakeTimeout: time.Second / 2, Events: events})
	at := bind(t, pull, wildcard)
	used := use(t, 2*strangers+6, strangers<<16)
	var slow [strangers]*rawPeer
	var say [strangers][]byte
	for i := range slow {
		s := newSpeaker(dialRaw(t, at), "PUSH", sec.client, false)
		s.speak(i % stages)
		slow[i], say[i] = s.rawPeer, s.next()
	}
	peer := newSpeaker(dialRaw(t, at), "PUSH", sec.client, false).finish()
	peer.sendMessage("hello")
	expect(t, pull, "hello")
	tick := time.NewTicker(100 * time.Millisecond) // too seldom for anybody to come to the end
	defer tick.Stop()
	for failed := 0; failed < strangers; {
		select {
		case e := <-events:
			if e.Kind == zmq.EventHandshakeFailed {
				checkHandshakeError(t, e.Err, zmq.HandshakeNetwork, "not done within")
				failed++
			}
		case <-tick.C:
			used.look()
			for i, s := range slow {
				if drips && len(say[i]) > 0 { // on a slow machine there are more ticks than bytes
					_, _ = s.Write(say[i][:1]) // those who are gone do not hear it
					say[i] = say[i][1:]
				}
			}
		case <-within(t).Done():
			t.Fatalf("only %d strangers have gone", failed)
		}
	}
	for _, s := range slow {
		s.reset()
	}
	peer.reset()
	used.end()
}
