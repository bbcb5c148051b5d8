package zmq_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// bindAgain binds an endpoint that was bound before, as soon as it is free.
func bindAgain(t testing.TB, s socket, endpoint string) {
	t.Helper()
	eventually(t, endpoint+" is free again", func() bool {
		_, err := s.Bind(endpoint)
		return err == nil
	})
}

// What is sent before the peer binds is queued, in its order.
func TestCase_bind_after_connect_tcp(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		bound, connected := open(t, zmq.NewDealer, zmq.Config{}), open(t, zmq.NewDealer, quick)
		at := bind(t, bound, endpoint)
		check(t, bound.Unbind(at))
		check(t, connected.Connect(at))
		for _, m := range []string{"foobar", "baz", "buzz"} {
			send(t, connected, m)
		}
		bindAgain(t, bound, at)
		expect(t, bound, "foobar", "baz", "buzz")
		bounce(t, bound, connected)
	})
}

// Over inproc it does not matter who is there first.
func TestCase_inproc_connect(t *testing.T) {
	t.Parallel()
	on(t, "inproc", func(t *testing.T, endpoint string) {
		t.Run("bind before connect", func(t *testing.T) {
			bound, connected := open(t, zmq.NewPair, zmq.Config{}), open(t, zmq.NewPair, zmq.Config{})
			bind(t, bound, endpoint+"1")
			check(t, connected.Connect(endpoint+"1"))
			send(t, connected, "foobar")
			expect(t, bound, "foobar")
			bounce(t, bound, connected)
		})
		t.Run("connect before bind", func(t *testing.T) {
			bound, connected := open(t, zmq.NewPair, zmq.Config{}), open(t, zmq.NewPair, zmq.Config{})
			check(t, connected.Connect(endpoint+"2"))
			send(t, connected, "foobar")
			bind(t, bound, endpoint+"2")
			expect(t, bound, "foobar")
			bounce(t, bound, connected)
		})
		t.Run("publisher before subscriber", func(t *testing.T) {
			pub, sub := newPub(t, zmq.Config{}), newSub(t, zmq.Config{}, "")
			check(t, pub.Connect(endpoint+"3"))
			send(t, pub, "before")
			bind(t, sub, endpoint+"3")
			send(t, pub, "after") // both know of each other when Bind returns
			expect(t, sub, "after")
		})
		t.Run("many before one", func(t *testing.T) {
			const n = 30
			pull := newPull(t, zmq.Config{})
			var pushed []<-chan error
			for range n {
				push := newPush(t, zmq.Config{})
				pushed = append(pushed, inBackground(func() error {
					if err := push.Connect(endpoint + "4"); err != nil {
						return err
					}
					return errors.Join(push.Send(within(t), []byte("foobar")), push.Shutdown(within(t)))
				}))
			}
			bind(t, pull, endpoint+"4")
			for range n {
				expect(t, pull, "foobar")
			}
			for _, done := range pushed {
				check(t, await(t, "the end of a pusher", done))
			}
			nothing(t, pull)
		})
		t.Run("ids", func(t *testing.T) {
			router, dealer := open(t, zmq.NewRouter, zmq.Config{}), open(t, zmq.NewDealer, zmq.Config{})
			check(t, dealer.Connect(endpoint+"5"))
			bind(t, router, endpoint+"5")
			send(t, dealer, "A", "B")
			m := must(router.Recv(within(t)))(t)
			if m.Len() != 3 || m.Bytes()[0] != 0 || string(m.Frame(1)) != "A" || string(m.Frame(2)) != "B" {
				t.Errorf("received %q", m.Frames())
			}
		})
		t.Run("connect only", func(t *testing.T) {
			push := must(zmq.NewPush(zmq.Config{}))(t)
			check(t, push.Connect(endpoint+"6"))
			check(t, push.Close())
		})
		t.Run("one that does not fit", func(t *testing.T) {
			events := make(chan zmq.Event, 10)
			pull, sub, push := newPull(t, zmq.Config{}), newSub(t, zmq.Config{Events: events}), newPush(t, zmq.Config{})
			check(t, sub.Connect(endpoint+"7"))
			bind(t, pull, endpoint+"7")
			var failed *zmq.HandshakeError
			if e := untilEvent(t, events, zmq.EventHandshakeFailed); !errors.As(e.Err, &failed) || failed.Kind != zmq.HandshakeProtocol {
				t.Errorf("failed because of %v", e.Err)
			}
			check(t, push.Connect(endpoint+"7"))
			send(t, push, "fits")
			expect(t, pull, "fits")
		})
	})
}

// Endpoints can be given up by the names that Bind returned and that Connect was given, and not by wildcards.
func TestCase_term_endpoint(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		t.Run("after Unbind", func(t *testing.T) {
			push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{})
			at := bind(t, push, numbered(endpoint, 0))
			check(t, pull.Connect(at))
			send(t, push, "ABC")
			expect(t, pull, "ABC")
			check(t, push.Unbind(at))
			if err := push.Send(now(), []byte("ABC")); !errors.Is(err, zmq.ErrNoPeer) {
				t.Errorf("sent to nobody: %v", err)
			}
			if err := push.Unbind(at); err == nil {
				t.Error("unbound twice")
			}
		})
		t.Run("after Disconnect", func(t *testing.T) {
			push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{})
			at := bind(t, pull, numbered(endpoint, 1))
			check(t, push.Connect(at))
			send(t, push, "ABC")
			expect(t, pull, "ABC")
			check(t, push.Disconnect(at))
			if err := push.Send(now(), []byte("ABC")); !errors.Is(err, zmq.ErrNoPeer) {
				t.Errorf("sent to nobody: %v", err)
			}
			if err := push.Disconnect(at); err == nil {
				t.Error("disconnected twice")
			}
			check(t, push.Connect(at))
			send(t, push, "DEF")
			expect(t, pull, "DEF")
		})
		t.Run("several", func(t *testing.T) {
			pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
			var all []string
			for i := range 3 {
				all = append(all, bind(t, pull, numbered(endpoint, 2+i)))
				check(t, push.Connect(all[i]))
			}
			check(t, push.WaitPeers(within(t), 3))
			check(t, pull.Unbind(all[1]))
			check(t, push.Disconnect(all[0]))
			peers(t, push, 1)
			send(t, push, "by the last")
			send(t, push, "or waiting") // for the one that is unbound
			expect(t, pull, "by the last")
			check(t, push.Disconnect(all[1]))
			expect(t, pull, "or waiting") // for nobody there any more
		})
		t.Run("wildcards", func(t *testing.T) {
			if !strings.HasSuffix(endpoint, "*") {
				t.Skip("there is none")
			}
			pull := newPull(t, zmq.Config{})
			at := bind(t, pull, endpoint)
			if err := pull.Unbind(endpoint); err == nil {
				t.Error("unbound a wildcard")
			}
			if err := pull.Connect(endpoint); err == nil {
				t.Error("connected to a wildcard")
			}
			check(t, pull.Unbind(at))
		})
	})
}

// hasIPv6 reports whether there is a loopback interface with IPv6.
func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

// However an endpoint is written, what Bind returns can be connected to, disconnected and unbound.
func TestCase_unbind_wildcard(t *testing.T) {
	t.Parallel()
	on(t, "tcp", func(t *testing.T, _ string) {
		for _, endpoint := range []string{"tcp://*:*", "tcp://0.0.0.0:*", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "tcp://localhost:*", "tcp://[::1]:*", "tcp://[::]:*"} {
			if strings.Contains(endpoint, "[") && !hasIPv6() {
				continue
			}
			rep, req := open(t, zmq.NewRep, zmq.Config{}), open(t, zmq.NewReq, zmq.Config{})
			at := bind(t, rep, endpoint)
			if strings.Contains(at, "*") || strings.HasSuffix(at, ":0") {
				t.Errorf("%s is bound as %s", endpoint, at)
			}
			check(t, req.Connect(at))
			send(t, req, "there")
			expect(t, rep, "there")
			send(t, rep, "back")
			expect(t, req, "back")
			check(t, req.Disconnect(at))
			check(t, rep.Unbind(at))
			if all := append(rep.Endpoints(), req.Endpoints()...); len(all) != 0 {
				t.Errorf("%q is left", all)
			}
			bindAgain(t, rep, at) // the very same
		}
	})
}

// The endpoints that a socket is bound to can be asked for as they were resolved.
func TestCase_last_endpoint(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		router := open(t, zmq.NewRouter, zmq.Config{})
		var all []string
		for i := range 2 {
			all = append(all, bind(t, router, numbered(endpoint, i)))
		}
		slices.Sort(all)
		if got := router.Endpoints(); !slices.Equal(got, all) || all[0] == all[1] {
			t.Errorf("bound to %q, want %q", got, all)
		}
		check(t, router.Unbind(all[0]))
		bindAgain(t, router, all[0])
		if got := router.Endpoints(); !slices.Equal(got, all) {
			t.Errorf("bound to %q, want what was asked for, %q", got, all)
		}
		if _, err := router.Bind(all[0]); err == nil {
			t.Error("bound twice")
		}
	})
}

// A name in Linux's abstract name space is no file.
func TestCase_abstract_ipc(t *testing.T) {
	t.Parallel()
	on(t, "ipc", func(t *testing.T, _ string) {
		endpoint := fmt.Sprintf("ipc://@%s/%d", t.Name(), os.Getpid())
		a, b := open(t, zmq.NewDealer, zmq.Config{}), open(t, zmq.NewDealer, zmq.Config{})
		if runtime.GOOS != "linux" {
			if _, err := a.Bind(endpoint); err == nil {
				t.Error("bound an abstract name")
			}
			return
		}
		if at := bind(t, a, endpoint); at != endpoint {
			t.Errorf("bound as %s, want %s", at, endpoint)
		}
		check(t, b.Connect(endpoint))
		bounce(t, a, b)
		if _, err := os.Lstat(strings.TrimPrefix(endpoint, "ipc://")); err == nil {
			t.Error("there is a file")
		}
		check(t, a.Close())
		again := open(t, zmq.NewDealer, zmq.Config{})
		bindAgain(t, again, endpoint)
		bounce(t, again, b)
	})
}

// A wildcard finds a path of its own for each socket, and leaves nothing behind.
func TestCase_ipc_wildcard(t *testing.T) {
	t.Parallel()
	on(t, "ipc", func(t *testing.T, endpoint string) {
		seen := map[string]bool{}
		for range 3 {
			a, b := open(t, zmq.NewPair, zmq.Config{}), open(t, zmq.NewPair, zmq.Config{})
			at := bind(t, a, endpoint)
			seen[at] = true
			check(t, b.Connect(at))
			bounce(t, a, b)
			check(t, a.Close())
			if _, err := os.Lstat(strings.TrimPrefix(at, "ipc://")); err == nil {
				t.Errorf("%s is left behind", at)
			}
		}
		if len(seen) != 3 {
			t.Errorf("3 sockets have %d paths", len(seen))
		}
	})
}

// A path can be bound again when the socket that had it is closed, and when the process that had it died; but not while it is
// in use, nor where it is something else.
func TestCase_rebind_ipc(t *testing.T) {
	t.Parallel()
	on(t, "ipc", func(t *testing.T, _ string) {
		path := filepath.Join(must(os.MkdirTemp("", "zmq"))(t), "s")
		t.Cleanup(func() { check(t, os.RemoveAll(filepath.Dir(path))) })
		endpoint := "ipc://" + path
		pull := newPull(t, quick)
		check(t, pull.Connect(endpoint))
		for range 3 {
			push := newPush(t, zmq.Config{})
			bind(t, push, endpoint)
			send(t, push, "42")
			expect(t, pull, "42")
			if _, err := newPush(t, zmq.Config{}).Bind(endpoint); err == nil {
				t.Error("bound twice")
			}
			send(t, push, "43")
			expect(t, pull, "43")
			check(t, push.Close())
		}
		dead := must(net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}))(t)
		dead.SetUnlinkOnClose(false)
		check(t, dead.Close())
		push := newPush(t, zmq.Config{})
		bind(t, push, endpoint)
		send(t, push, "44")
		expect(t, pull, "44")
		check(t, push.Close())

		check(t, os.WriteFile(path, []byte("precious"), 0o600))
		if _, err := newPush(t, zmq.Config{}).Bind(endpoint); err == nil {
			t.Error("bound a file")
		}
		if b := must(os.ReadFile(path))(t); string(b) != "precious" {
			t.Errorf("the file is now %q", b)
		}
		if _, err := newPush(t, zmq.Config{}).Bind("ipc://" + strings.Repeat("x", 200)); err == nil {
			t.Error("bound a path that is too long")
		}
	})
}
