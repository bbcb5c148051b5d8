package zmq_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/relay"
	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// relayAt makes an endpoint for a relay of the same transport as endpoint.
func relayAt(t testing.TB, endpoint string, cfg relay.Config) *relay.Relay {
	t.Helper()
	if strings.HasPrefix(endpoint, "ipc:") {
		dir := must(os.MkdirTemp("", "zmq"))(t)
		t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
		cfg.Listen = "ipc://" + filepath.Join(dir, "relay")
	}
	cfg.Target = endpoint
	return openRelay(t, cfg)
}

// noneDisconnected fails the test if a connection has ended.
func noneDisconnected(t testing.TB, events <-chan zmq.Event) {
	t.Helper()
	for len(events) > 0 {
		if e := <-events; e.Kind == zmq.EventDisconnected {
			t.Errorf("disconnected: %v", e.Err)
		}
	}
}

// On a link that needs many timeouts for a message, heartbeats do not end the connection. The test runs alone: beside
// others the relay can be slower than the link that it plays.
func TestHeartbeatsOnASlowLink(t *testing.T) {
	const size, rate, timeout = 2 << 20, 1 << 20, 600 * time.Millisecond // most is behind the relay's buffers, which nobody sees
	overStreamsAndTrusts(t, func(t *testing.T, endpoint string, sec trust) {
		for name, beats := range map[string][2]bool{"sender": {true, false}, "receiver": {false, true}, "both": {true, true}} {
			t.Run(name+" beats", func(t *testing.T) {
				t.Parallel()
				events := make(chan zmq.Event, 1000)
				beating := zmq.Config{HeartbeatInterval: timeout / 2, HeartbeatTimeout: timeout, Events: events}
				var cfg [2]zmq.Config
				for i := range cfg {
					if beats[i] {
						cfg[i] = beating
					}
				}
				cfg[0].Security, cfg[1].Security = sec.client, sec.server
				push, pull := newPush(t, cfg[0]), newPull(t, cfg[1])
				network := relayAt(t, bind(t, pull, endpoint), relay.Config{SocketBuffer: 16 << 10})
				network.Shape(relay.Both, relay.Shape{Rate: rate})
				check(t, push.Connect(network.Endpoint()))
				check(t, push.Send(within(t), make([]byte, size)))
				m := must(pull.Recv(within(t)))(t)
				if len(m.Bytes()) != size {
					t.Errorf("received %d bytes", len(m.Bytes()))
				}
				noneDisconnected(t, events)
			})
		}
	})
}

// A receiver that takes longer for a message than its sender's timeout is not disconnected, and gets everything.
func TestHeartbeatsOfASlowReceiver(t *testing.T) {
	t.Parallel()
	const n, timeout = 3, 600 * time.Millisecond
	overStreamsAndTrusts(t, func(t *testing.T, endpoint string, sec trust) {
		events := make(chan zmq.Event, 1000)
		push := newPush(t, zmq.Config{
			Security: sec.client, HeartbeatInterval: timeout / 5, HeartbeatTimeout: timeout, Events: events,
		})
		pull := newPull(t, zmq.Config{Security: sec.server, RecvHWM: 1})
		pair(t, pull, push, endpoint)
		tick := time.NewTicker(2 * timeout) // so long a message takes
		defer tick.Stop()
		<-tick.C
		accepted := 0
		for ; accepted < 200; accepted++ {
			if push.Send(now(), []byte(fmt.Sprint(accepted)), make([]byte, 64<<10)) != nil {
				break
			}
		}
		for i := range accepted {
			m := must(pull.Recv(within(t)))(t)
			if string(m.Bytes()) != fmt.Sprint(i) {
				t.Fatalf("received %q, want message %d", m.Bytes(), i)
			}
			m.Release()
			if i < n {
				<-tick.C
			}
		}
		noneDisconnected(t, events)
	})
}

// A reader without room sends PONGs to a peer that has sent PINGs, since it cannot see the next one.
func TestReaderWithoutRoomAnswers(t *testing.T) {
	t.Parallel()
	overStreams(t, func(t *testing.T, endpoint string) {
		pull := newPull(t, zmq.Config{RecvHWM: 1})
		raw := dialPeer(t, bind(t, pull, endpoint)).greet("PUSH", 1)
		raw.write(wire.AppendPing(nil, 0, []byte("a")))
		if name, context := raw.command(); name != wire.CommandPong || string(context) != "a" {
			t.Fatalf("received %s %q, want the PONG", name, context)
		}
		raw.write(wire.AppendPing(nil, 0, []byte("b"))) // so that it is known how often PINGs come
		if name, context := raw.command(); name != wire.CommandPong || string(context) != "b" {
			t.Fatalf("received %s %q, want the PONG", name, context)
		}
		for i := range 100 {
			raw.write(message(fmt.Sprint(i)))
		}
		for range 5 {
			if name, _ := raw.command(); name != wire.CommandPong {
				t.Fatalf("received %s, want PONGs", name)
			}
		}
		for i := range 100 {
			expect(t, pull, fmt.Sprint(i))
		}
	})
}

// A peer behind a cable that is pulled is given up, idle or amid a stream, and so is one that hangs.
func TestHeartbeatsOfTheVanished(t *testing.T) {
	t.Parallel()
	beating := func(events chan zmq.Event) zmq.Config {
		return zmq.Config{HeartbeatInterval: 100 * time.Millisecond, HeartbeatTimeout: 400 * time.Millisecond, Events: events}
	}
	overStreams(t, func(t *testing.T, endpoint string) {
		for _, streaming := range []bool{false, true} {
			t.Run(fmt.Sprintf("the cable is pulled, streaming=%v", streaming), func(t *testing.T) {
				t.Parallel()
				events := make(chan zmq.Event, 1000)
				push, pull := newPush(t, beating(events)), newPull(t, zmq.Config{})
				network := relayAt(t, bind(t, pull, endpoint), relay.Config{})
				check(t, push.Connect(network.Endpoint()))
				send(t, push, "it works")
				expect(t, pull, "it works")
				if streaming {
					flooding, stop := context.WithCancel(within(t))
					defer stop()
					ended := inBackground(func() error {
						for {
							if err := push.Send(flooding, make([]byte, 10_000)); err != nil {
								return err
							}
						}
					})
					defer func() {
						stop()
						if err := await(t, "the flood's end", ended); !errors.Is(err, context.Canceled) {
							t.Errorf("the flood failed: %v", err)
						}
					}()
				}
				network.Partition(relay.Hang)
				disconnectedFor(t, events, "HeartbeatTimeout")
			})
		}
		t.Run("the peer hangs while a trickle of messages comes", func(t *testing.T) {
			t.Parallel()
			l, at := listenPeer(t, endpoint)
			events := make(chan zmq.Event, 1000)
			push := newPush(t, beating(events))
			check(t, push.Connect(at))
			peer := l.accept().greet("PULL", 1)
			defer peer.Close()
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case e := <-events:
					if e.Kind == zmq.EventDisconnected {
						if e.Err == nil || !strings.Contains(e.Err.Error(), "HeartbeatTimeout") {
							t.Errorf("disconnected because of %v", e.Err)
						}
						l.Close()
						return
					}
				case <-tick.C:
					if err := push.Send(now(), []byte("x")); err != nil && !errors.Is(err, zmq.ErrNoPeer) {
						t.Fatal(err)
					}
				case <-within(t).Done():
					t.Fatal("the peer was not given up")
				}
			}
		})
	})
}

// Without heartbeats a peer behind a pulled cable is given up too when data is on its way, which TCP itself would try to send
// for a quarter of an hour.
func TestVanishedWithDataUnderWay(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells what the peer's system has acknowledged")
	}
	t.Parallel()
	events := make(chan zmq.Event, 100)
	push := newPush(t, zmq.Config{
		Events:    events,
		KeepAlive: net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 1},
	})
	pull := newPull(t, zmq.Config{})
	network := openRelay(t, relay.Config{Target: bind(t, pull, wildcard)})
	check(t, push.Connect(network.Endpoint()))
	send(t, push, "it works")
	expect(t, pull, "it works")
	network.Partition(relay.Hang)
	send(t, push, "into the void")
	disconnectedFor(t, events, "acknowledges nothing")
	if st := push.Stats(); st.Unconfirmed != 1 || st.MessagesSent != 2 {
		t.Errorf("of 2 messages, the last of which is lost: %+v", st)
	}
}
