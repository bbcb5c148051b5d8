package zmq_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

func TestRequestReply(t *testing.T) {
	t.Parallel()
	for carrier, endpoint := range endpoints(t) {
		t.Run(carrier, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			rep, req := must(zmq.NewRep(zmq.Config{}))(t), must(zmq.NewReq(zmq.Config{}))(t)
			closing(t, rep)
			closing(t, req)
			check(t, req.Connect(must(rep.Bind(endpoint))(t)))
			if _, err := req.Recv(ctx); !errors.Is(err, zmq.ErrState) {
				t.Fatal(err)
			}
			for i := range 100 {
				check(t, req.Send(ctx, []byte("question"), fmt.Append(nil, i)))
				if err := req.Send(ctx, nil); !errors.Is(err, zmq.ErrState) {
					t.Fatal(err)
				}
				q := must(rep.Recv(ctx))(t)
				if q.Len() != 2 || string(q.Frame(1)) != fmt.Sprint(i) {
					t.Fatalf("question %q", q.Frames())
				}
				check(t, rep.Send(ctx, []byte("answer"), q.Frame(1)))
				a := must(req.Recv(ctx))(t)
				if a.Len() != 2 || string(a.Bytes()) != "answer" || string(a.Frame(1)) != fmt.Sprint(i) {
					t.Fatalf("answer %q", a.Frames())
				}
			}
		})
	}
}

// Every call on a closed REQ or REP fails because of that, also out of turn.
func TestOutOfTurnWhenClosed(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		ctx := within(t)
		rep, req := must(zmq.NewRep(zmq.Config{}))(t), must(zmq.NewReq(zmq.Config{}))(t)
		closing(t, rep)
		closing(t, req)
		check(t, req.Connect(must(rep.Bind(endpoint))(t)))
		check(t, req.Send(ctx, []byte("question")))
		must(rep.Recv(ctx))(t)
		check(t, rep.Close())
		check(t, req.Close())
		if _, err := rep.Recv(ctx); !errors.Is(err, zmq.ErrClosed) {
			t.Errorf("a second request: %v", err)
		}
		if err := req.Send(ctx, nil); !errors.Is(err, zmq.ErrClosed) {
			t.Errorf("a second request: %v", err)
		}
		idle := must(zmq.NewReq(zmq.Config{}))(t)
		check(t, idle.Close())
		if _, err := idle.Recv(ctx); !errors.Is(err, zmq.ErrClosed) {
			t.Errorf("a reply to no request: %v", err)
		}
	})
}

func TestRouterDealer(t *testing.T) {
	t.Parallel()
	for carrier, endpoint := range endpoints(t) {
		t.Run(carrier, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			router := must(zmq.NewRouter(zmq.Config{Mandatory: true}))(t)
			closing(t, router)
			at := must(router.Bind(endpoint))(t)
			ids := map[string]bool{}
			for i := range 3 {
				cfg := zmq.Config{}
				if i == 0 {
					cfg.Identity = []byte("zero")
				}
				d := must(zmq.NewDealer(cfg))(t)
				closing(t, d)
				check(t, d.Connect(at))
				check(t, d.Send(ctx, []byte("hello"), []byte("there")))
				m := must(router.Recv(ctx))(t)
				if m.Len() != 3 || string(m.Frame(1)) != "hello" || len(m.Frames()) != 3 {
					t.Fatalf("%q", m.Frames())
				}
				id := bytes.Clone(m.Bytes())
				if ids[string(id)] || (i == 0) != (string(id) == "zero") || (i > 0 && id[0] != 0) {
					t.Fatalf("id %q", id)
				}
				ids[string(id)] = true
				check(t, router.Send(ctx, id, []byte("you are"), id))
				m = must(d.Recv(ctx))(t)
				if m.Len() != 2 || !bytes.Equal(m.Frame(1), id) {
					t.Fatalf("%q", m.Frames())
				}
			}
			if err := router.Send(ctx, []byte("nobody"), []byte("x")); !errors.Is(err, zmq.ErrUnroutable) {
				t.Fatal(err)
			}
		})
	}
}

func TestForwarder(t *testing.T) {
	t.Parallel()
	for carrier, endpoint := range endpoints(t) {
		t.Run(carrier, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			xsub, xpub := must(zmq.NewXSub(zmq.Config{}))(t), must(zmq.NewXPub(zmq.Config{}))(t)
			pub, sub := must(zmq.NewPub(zmq.Config{}))(t), must(zmq.NewSub(zmq.Config{}))(t)
			for _, c := range []socket{xsub, xpub, pub, sub} {
				closing(t, c)
			}
			front, back := endpoint, endpoint
			if carrier == "inproc" {
				front, back = endpoint+"f", endpoint+"b"
			}
			check(t, pub.Connect(must(xsub.Bind(front))(t)))
			check(t, sub.Connect(must(xpub.Bind(back))(t)))
			proxy := must(zmq.NewProxy(xsub, xpub, nil))(t)
			done := make(chan error, 1)
			go func() { done <- proxy.Run(ctx) }()
			check(t, sub.Subscribe("a"))
			check(t, pub.WaitSubscribers(ctx, "abc", 1))
			check(t, pub.Send(ctx, []byte("b")))
			check(t, pub.Send(ctx, []byte("abc"), []byte("body")))
			m := must(sub.Recv(ctx))(t)
			if string(m.Bytes()) != "abc" || m.Len() != 2 {
				t.Fatalf("%q", m.Frames())
			}
			check(t, xpub.Close())
			if err := <-done; !errors.Is(err, zmq.ErrClosed) {
				t.Fatal(err)
			}
			if s := proxy.Stats(); s.ToBackend != 1 || s.BytesToBackend != 7 {
				t.Fatalf("%+v", s)
			}
		})
	}
}

func TestPair(t *testing.T) {
	t.Parallel()
	for carrier, endpoint := range endpoints(t) {
		t.Run(carrier, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			a, b := must(zmq.NewPair(zmq.Config{}))(t), must(zmq.NewPair(zmq.Config{}))(t)
			closing(t, a)
			closing(t, b)
			check(t, b.Connect(must(a.Bind(endpoint))(t)))
			check(t, a.Send(ctx, []byte("ping")))
			if m := must(b.Recv(ctx))(t); string(m.Bytes()) != "ping" {
				t.Fatal(m)
			}
			check(t, b.Send(ctx, []byte("pong")))
			if m := must(a.Recv(ctx))(t); string(m.Bytes()) != "pong" {
				t.Fatal(m)
			}
		})
	}
}
