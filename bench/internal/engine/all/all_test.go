package all_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/experimance/experimance-go/bench/internal/engine"
	"github.com/experimance/experimance-go/bench/internal/engine/all"
)

// These engines' sockets cannot be closed, so goroutines stay: there is no check for leaks here.

// names makes names that no earlier socket holds.
var names atomic.Int64

// endpoint returns where sockets of an engine meet.
func endpoint(t *testing.T, e engine.Engine, carrier string) string {
	t.Helper()
	switch broker, ok := e.(engine.Broker); {
	case ok:
		endpoint, err := broker.Serve()
		if err != nil {
			t.Fatal(err)
		}
		return endpoint
	case carrier == engine.IPC:
		return "ipc://" + filepath.Join(t.TempDir(), "socket")
	case carrier == engine.Inproc:
		return fmt.Sprintf("inproc://%d", names.Add(1))
	default:
		return "tcp://127.0.0.1:*"
	}
}

// connect opens two sockets and connects the second to the first; a work that the engine cannot do is skipped.
func connect(t *testing.T, e engine.Engine, opt engine.Options, binds, connects engine.Kind) (a, b engine.Socket) {
	t.Helper()
	where := endpoint(t, e, opt.Carrier)
	open := func(kind engine.Kind) engine.Socket {
		s, err := e.Open(kind, opt)
		var unsupported engine.Unsupported
		if errors.As(err, &unsupported) {
			t.Skip(unsupported)
		}
		check(t, err)
		return s
	}
	a, b = open(binds), open(connects)
	resolved, err := a.Bind(where)
	check(t, err)
	check(t, b.Connect(resolved))
	return a, b
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// each runs a test for every engine.
func each(t *testing.T, test func(t *testing.T, e engine.Engine)) {
	for _, e := range all.Engines() {
		t.Run(e.Name(), func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

func message(frames int, text string) engine.Message {
	m := make(engine.Message, frames)
	for i := range m {
		m[i] = fmt.Appendf(nil, "%s, frame %d of %d", text, i+1, frames)
	}
	return m
}

func TestPushPull(t *testing.T) {
	t.Parallel()
	for _, opt := range []engine.Options{
		{Carrier: engine.TCP, Frames: 1, Peers: 1},
		{Carrier: engine.TCP, Frames: 3, Peers: 1},
		{Carrier: engine.IPC, Frames: 1, Peers: 1},
		{Carrier: engine.Inproc, Frames: 1, Peers: 1},
	} {
		t.Run(fmt.Sprintf("%s/%d", opt.Carrier, opt.Frames), func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, e engine.Engine) {
				pull, push := connect(t, e, opt, engine.Pull, engine.Push)
				batch := []engine.Message{message(opt.Frames, "first"), message(opt.Frames, "second"), message(opt.Frames, "third")}
				sent := make(chan error, 1)
				go func() { sent <- push.Send(batch) }()
				first, err := pull.Recv(2)
				check(t, err)
				if want := batch[1][0]; !bytes.Equal(first, want) {
					t.Errorf("the second message begins with %q, want %q", first, want)
				}
				first, err = pull.Recv(1)
				check(t, err)
				if want := batch[2][0]; !bytes.Equal(first, want) {
					t.Errorf("the third message begins with %q, want %q", first, want)
				}
				check(t, <-sent)
			})
		})
	}
}

func TestPubSubFiltersByTopic(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e engine.Engine) {
		const topics, wanted = 3, 1
		opt := engine.Options{Carrier: engine.TCP, Frames: 1, Peers: 1, Topics: topics}
		pub, sub := connect(t, e, opt, engine.Pub, engine.Sub)
		check(t, sub.Subscribe(engine.Topic(wanted)))
		done := make(chan struct{})
		defer close(done)
		go func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
					_ = pub.Send([]engine.Message{{[]byte(engine.Topic(i%topics) + " and more")}})
				}
			}
		}()
		for range 10 {
			first, err := sub.Recv(1)
			check(t, err)
			if !bytes.HasPrefix(first, []byte(engine.Topic(wanted))) {
				t.Fatalf("received %q", first)
			}
		}
	})
}

func TestRequestReply(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e engine.Engine) {
		rep, req := connect(t, e, engine.Options{Carrier: engine.TCP, Frames: 1, Peers: 1}, engine.Rep, engine.Req)
		answered := make(chan error, 1)
		go func() {
			request, err := rep.Recv(1)
			if err == nil {
				err = rep.Send([]engine.Message{{append([]byte("re: "), request...)}})
			}
			answered <- err
		}()
		check(t, req.Send([]engine.Message{{[]byte("question")}}))
		reply, err := req.Recv(1)
		check(t, err)
		check(t, <-answered)
		if string(reply) != "re: question" {
			t.Errorf("reply %q", reply)
		}
	})
}
