package zmq_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// proxying runs a proxy until the test ends, or stop is called.
func proxying(t testing.TB, frontend, backend any, capture zmq.Sender) (p *zmq.Proxy, stop func()) {
	t.Helper()
	p = must(zmq.NewProxy(frontend, backend, capture))(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := inBackground(func() error { return p.Run(ctx) })
	stop = sync.OnceFunc(func() {
		cancel()
		check(t, await(t, "the end of Run", done))
	})
	t.Cleanup(stop)
	return p, stop
}

// broker is a proxy between requesters and workers, at an endpoint for either.
type broker struct {
	frontend    *zmq.Router
	backend     *zmq.Dealer
	front, back string
}

func newBroker(t testing.TB, endpoint string) broker {
	t.Helper()
	b := broker{frontend: open(t, zmq.NewRouter, zmq.Config{}), backend: open(t, zmq.NewDealer, zmq.Config{})}
	b.front, b.back = bind(t, b.frontend, numbered(endpoint, 1)), bind(t, b.backend, numbered(endpoint, 2))
	return b
}

// echoing answers the requests that a worker receives, until it is closed.
func echoing(t testing.TB, endpoint string) {
	t.Helper()
	worker := must(zmq.NewRep(zmq.Config{}))(t)
	done := inBackground(func() error {
		for {
			m, err := worker.Recv(context.Background())
			if err != nil {
				return err
			}
			if err := worker.Send(context.Background(), m.Frames()...); err != nil {
				return err
			}
		}
	})
	t.Cleanup(func() {
		check(t, worker.Close())
		isClosed(t, await(t, "the end of a worker", done))
	})
	check(t, worker.Connect(endpoint))
}

// Requests of several clients reach several workers through a proxy, and each reply the client that asked. The capture socket
// sees it all.
func TestCase_proxy(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		const clients, requests = 3, 50
		b := newBroker(t, endpoint)
		capture, captured := open(t, zmq.NewPair, zmq.Config{}), open(t, zmq.NewPair, zmq.Config{})
		check(t, captured.Connect(bind(t, capture, numbered(endpoint, 3))))
		p, _ := proxying(t, b.frontend, b.backend, capture)
		for range 5 {
			echoing(t, b.back)
		}
		var done []<-chan error
		for c := range clients {
			req := open(t, zmq.NewReq, zmq.Config{})
			check(t, req.Connect(b.front))
			done = append(done, inBackground(func() error {
				for i := range requests {
					want := fmt.Sprintf("request %d of client %d", i, c)
					if err := req.Send(within(t), []byte(want), nil); err != nil {
						return err
					}
					m, err := req.Recv(within(t))
					if err != nil {
						return err
					}
					if got := text(m); got != want+"|" {
						return fmt.Errorf("the reply to %q is %q", want, got)
					}
				}
				return nil
			}))
		}
		size := 0
		for range 2 * clients * requests {
			m := must(captured.Recv(within(t)))(t)
			if m.Len() != 4 || len(m.Frame(1)) != 0 || len(m.Frame(3)) != 0 {
				t.Fatalf("captured %q", m.Frames())
			}
			size += len(m.Frame(0)) + len(m.Frame(2))
			m.Release()
		}
		for _, d := range done {
			check(t, await(t, "the end of a client", d))
		}
		eventually(t, "all is counted", func() bool { return p.Stats().ToFrontend+p.Stats().ToBackend == 2*clients*requests })
		if st := p.Stats(); st.ToBackend != clients*requests || int(st.BytesToBackend+st.BytesToFrontend) != size || st.Lost != 0 {
			t.Errorf("statistics of %d requests and replies, %d bytes: %+v", clients*requests, size, st)
		}
		for _, sockets := range [][2]any{{newPull(t, zmq.Config{}), newPull(t, zmq.Config{})}, {newPush(t, zmq.Config{}), newPush(t, zmq.Config{})}, {1, 2}} {
			if _, err := zmq.NewProxy(sockets[0], sockets[1], nil); err == nil {
				t.Errorf("a proxy between %T and %T", sockets[0], sockets[1])
			}
		}
	})
}

// A subscriber that is slow holds up the publisher, through a proxy between sockets that must not drop anything; the proxy's
// statistics can be asked for all the while, and nothing is lost.
func TestCase_proxy_hwm(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		cfg := zmq.Config{SendHWM: 10, RecvHWM: 10, NoDrop: true}
		pub, xsub, xpub, sub := open(t, zmq.NewXPub, cfg), open(t, zmq.NewXSub, cfg), open(t, zmq.NewXPub, cfg), newSub(t, cfg, "")
		check(t, pub.Connect(bind(t, xsub, numbered(endpoint, 1))))
		check(t, sub.Connect(bind(t, xpub, numbered(endpoint, 2))))
		p, _ := proxying(t, xsub, xpub, nil)
		expect(t, pub, "\x01")
		body := make([]byte, 256<<10)
		sent, full := 0, 0
		for full < 100 { // times in a row: the proxy may have been about to pass one on
			if err := pub.Send(within(t), fmt.Append(nil, sent), body); err == nil {
				sent, full = sent+1, 0
				continue
			}
			full++
			if st := p.Stats(); int(st.ToBackend) > sent || st.Lost != 0 {
				t.Fatalf("statistics after %d messages: %+v", sent, st)
			}
			_ = pub.WaitSubscribers(shortly(), "", 2) // for a moment
		}
		if sent < 20 {
			t.Errorf("full after %d messages", sent)
		}
		for i := range sent {
			m := must(sub.Recv(within(t)))(t)
			if got := string(m.Bytes()); got != fmt.Sprint(i) {
				t.Fatalf("received message %s, want %d", got, i)
			}
			m.Release()
		}
		if pub.Stats().Dropped+xpub.Stats().Dropped+p.Stats().Lost != 0 {
			t.Errorf("dropped: %d by the publisher, %d by the proxy's XPUB, %d by the proxy", pub.Stats().Dropped, xpub.Stats().Dropped, p.Stats().Lost)
		}
		send(t, pub, "again")
		expect(t, sub, "again")
	})
}

// A proxy can be paused, resumed, asked for its statistics, and ended.
func TestCase_proxy_steerable(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		b := newBroker(t, endpoint)
		client, worker := open(t, zmq.NewDealer, zmq.Config{Identity: []byte("client")}), open(t, zmq.NewDealer, zmq.Config{})
		check(t, client.Connect(b.front))
		check(t, worker.Connect(b.back))
		p, stop := proxying(t, b.frontend, b.backend, nil)
		there := func(m string) { send(t, client, m); expect(t, worker, "client|"+m) }
		back := func(m string) { send(t, worker, "client", m); expect(t, client, m) }
		counted := func(forth, back uint64) {
			t.Helper()
			eventually(t, "all is counted", func() bool { st := p.Stats(); return st.ToBackend == forth && st.ToFrontend == back })
		}
		there("1")
		back("22")
		for i := range uint64(3) {
			counted(1+2*i, 1+i)
			p.Pause()
			p.Pause() // which is the same
			before := p.Stats()
			send(t, client, "there")
			send(t, worker, "client", "back")
			if m, err := worker.Recv(shortly()); err == nil {
				t.Errorf("a paused proxy passed %q on", text(m))
			}
			nothing(t, client)
			if after := p.Stats(); after != before {
				t.Errorf("a paused proxy counts: %+v, then %+v", before, after)
			}
			p.Resume()
			p.Resume()
			expect(t, worker, "client|there")
			expect(t, client, "back")
			there("333")
		}
		counted(7, 4)
		want := zmq.ProxyStats{
			ToBackend: 7, BytesToBackend: 7*6 + 1 + 3*5 + 3*3,
			ToFrontend: 4, BytesToFrontend: 4*6 + 2 + 3*4,
		}
		if st := p.Stats(); st != want {
			t.Errorf("statistics: %+v, want %+v", st, want)
		}
		p.Pause()
		stop() // also while it is paused
		send(t, client, "after the end")
		if m, err := worker.Recv(shortly()); err == nil {
			t.Errorf("a proxy that has ended passed %q on", text(m))
		}
		p.Resume()
		proxyAgain(t, p)
		expect(t, worker, "client|after the end")
	})
}

// proxyAgain runs a proxy again that has ended.
func proxyAgain(t testing.TB, p *zmq.Proxy) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := inBackground(func() error { return p.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		check(t, await(t, "the end of Run", done))
	})
}

// A proxy ends when it is told to, though it waits for somebody who takes its messages; and when a socket of its is closed.
func TestCase_proxy_terminate(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		pub, sub, push := newPub(t, zmq.Config{}), newSub(t, zmq.Config{}, ""), newPush(t, zmq.Config{})
		check(t, pub.Connect(bind(t, sub, numbered(endpoint, 1))))
		at := bind(t, push, numbered(endpoint, 2)) // to which nobody connects
		check(t, pub.WaitSubscribers(within(t), "", 1))
		p, stop := proxying(t, sub, push, nil)
		for i := range 3 {
			send(t, pub, fmt.Sprint("test ", i))
		}
		eventually(t, "the proxy has received something", func() bool { return sub.Stats().MessagesReceived == 1 })
		stop()
		if st := p.Stats(); st != (zmq.ProxyStats{Lost: 1}) {
			t.Errorf("statistics: %+v, want one lost", st)
		}
		ctx := within(t)
		running := inBackground(func() error { return p.Run(ctx) })
		pull := newPull(t, zmq.Config{})
		check(t, pull.Connect(at))
		expect(t, pull, "test 1", "test 2")
		check(t, push.Close())
		send(t, pub, "test 3")
		isClosed(t, await(t, "the end of Run", running))
		if st := p.Stats(); st.ToBackend != 2 || st.Lost != 2 {
			t.Errorf("statistics: %+v", st)
		}
	})
}
