package zmq_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// Strangers connect by the thousand, say nothing or something, stay a while, and go. Meanwhile an honest peer goes on, others
// come in, and what the strangers take is bounded by the places for handshakes.
func TestConnectFlood(t *testing.T) {
	for name, sec := range securities(t) {
		t.Run(name, func(t *testing.T) { connectFlood(t, sec) })
	}
}

func connectFlood(t *testing.T, sec secured) {
	const strangers, flooders, stay, places = 5000, 4, 25, 40
	cfg := quick
	cfg.Security = sec.client
	pull := newPull(t, zmq.Config{Security: sec.server, MaxHandshakes: places, HandshakeTimeout: time.Hour})
	push := newPush(t, cfg)
	at := pair(t, pull, push, wildcard)

	const honest = 10
	used := use(t, flooders+1+2*places+4*honest+10, 16<<20)
	enough, over := make(chan struct{}), make(chan struct{})
	ctx, abort := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range flooders {
		wg.Go(func() { flood(ctx, t, at, strangers/flooders, stay, enough) })
	}
	go func() {
		defer close(over)
		wg.Wait()
	}()
	t.Cleanup(func() { // before the socket is closed, and also after a failure
		abort()
		<-over
	})
	for n, flooded := 0, false; !flooded; n++ {
		if n == honest {
			close(enough)
		}
		if n < honest {
			late := newPush(t, cfg)
			check(t, late.Connect(at))
			exchange(t, late, pull, fmt.Sprint("late ", n))
			check(t, late.Close())
		}
		exchange(t, push, pull, fmt.Sprint(n))
		used.look()
		select {
		case <-over:
			flooded = true
		default:
		}
	}
	used.end()
}

// exchange sends a message and receives until it comes. It leaves nothing behind, however often it
// is called in a test.
func exchange(t *testing.T, from sender, to receiver, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	check(t, from.Send(ctx, []byte(body)))
	for got := ""; got != body; {
		m, err := to.Recv(ctx)
		check(t, err)
		got = text(m)
	}
}

// flood connects to a socket as n strangers or more, until there are enough. The last few stay,
// until the next ones come. Each says another part of the greeting. All leave by a reset, which
// frees the port at once. The end of ctx ends the flood early.
func flood(ctx context.Context, t *testing.T, endpoint string, n, stay int, enough <-chan struct{}) {
	var dialer net.Dialer
	says := greeting(1)
	conns := make([]net.Conn, stay)
	leave := func(c net.Conn) {
		if c != nil {
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}
	defer func() {
		for _, c := range conns {
			leave(c)
		}
	}()
	for i := 0; ; i++ {
		if i >= n {
			select {
			case <-enough:
				return
			default:
			}
		}
		leave(conns[i%stay])
		conns[i%stay] = nil
		c, err := dialer.DialContext(ctx, "tcp", address(endpoint))
		switch {
		case ctx.Err() != nil:
			if err == nil {
				leave(c)
			}
			return
		case err != nil:
			t.Error(err)
			return
		}
		_, _ = c.Write(says[:i%len(says)]) // an error when its place is taken already
		conns[i%stay] = c
	}
}

// A peer's subscriptions may take so much memory of an XPUB and no more, and what it leaves behind when it is gone counts with
// that of all others, however often it comes back. The user of the XPUB need not even look.
func TestSubscriptionFloodOfXPub(t *testing.T) {
	const limit = 1 << 20
	for name, cfg := range map[string]zmq.Config{"edges": {}, "verbose": {Verboser: true}, "manual": {Manual: true}} {
		for _, flood := range []string{"new", "long", "on and off"} {
			t.Run(name+"/"+flood, func(t *testing.T) {
				cfg.MaxSubscriptionBytes, cfg.RecvHWMBytes, cfg.MemoryLimit = limit, limit, 4*limit
				xpub := must(zmq.NewXPub(cfg))(t)
				closing(t, xpub)
				at := bind(t, xpub, wildcard)
				used := use(t, 10, 8*limit)
				for round := range 20 {
					stranger := dialRaw(t, at).greet("SUB", 1)
					floodTopics(stranger, flood, round, 2*limit)
					stranger.reset()
					eventually(t, "the stranger is forgotten", func() bool { return xpub.Stats().Peers == 0 })
					used.look()
				}
				used.end()
			})
		}
	}
}

// floodTopics subscribes until the socket has enough, or until so many bytes were sent.
func floodTopics(p *rawPeer, flood string, round, size int) {
	var b []byte
	for i, sent := 0, 0; sent < size; i++ {
		topic := fmt.Sprintf("%x %x", round, i)
		switch flood {
		case "long":
			topic += strings.Repeat("l", 10_000)
		case "on and off":
			b = wire.AppendSubscribe(b, 1, true, []byte(topic))
		}
		if b = wire.AppendSubscribe(b, 1, false, []byte(topic)); len(b) < 16<<10 {
			continue
		}
		if _, err := p.Write(b); err != nil {
			return
		}
		sent += len(b)
		b = b[:0]
	}
}

// An XPUB whose user receives serves honest subscribers during and after a flood.
func TestXPubAfterFlood(t *testing.T) {
	t.Parallel()
	xpub := must(zmq.NewXPub(zmq.Config{MaxSubscriptionBytes: 256 << 10}))(t)
	closing(t, xpub)
	at := bind(t, xpub, wildcard)
	heard := inBackground(func() error {
		for {
			m, err := xpub.Recv(within(t))
			if err != nil {
				return err
			}
			m.Release()
		}
	})
	for round := range 10 {
		stranger := dialRaw(t, at).greet("SUB", 1)
		floodTopics(stranger, "new", round, 1<<20)
		stranger.reset()
		sub := newSub(t, quick, "honest")
		check(t, sub.Connect(at))
		sendUntilReceived(t, xpub, sub, fmt.Sprint("honest ", round))
		check(t, sub.Close())
		eventually(t, "the subscriber is forgotten", func() bool { return xpub.Stats().Peers == 0 })
	}
	check(t, xpub.Close())
	isClosed(t, await(t, "the end of Recv", heard))
}

// Sockets that take nothing from their peers read what those send all the same, and keep nothing of it.
func TestFloodOfWhatNobodyWants(t *testing.T) {
	for _, kind := range []string{"PUSH", "PUB"} {
		t.Run(kind, func(t *testing.T) {
			s := newSocket(t, kind, zmq.Config{})
			peer := dialRaw(t, bind(t, s, wildcard)).greet(partner[kind], 1)
			check(t, s.WaitPeers(within(t), 1))
			used := use(t, 0, 8<<20)
			unwanted := bytes.Repeat(message("\x02 nobody asked", strings.Repeat("x", 1000)), 100)
			for range 200 { // 20 MiB
				peer.write(unwanted)
				used.look()
			}
			peer.write(wire.AppendPing(nil, 0, []byte("done")))
			if name, data := peer.command(); name != "PONG" || string(data) != "done" {
				t.Errorf("the PING was answered with %s %q", name, data)
			}
			used.end()
		})
	}
}
