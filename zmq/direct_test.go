package zmq

import (
	"context"
	"strconv"
	"testing"
	"time"
)

// A wake that comes late, when a sender has the writer's part already, does not make two write at once.
func TestLateWake(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	rep, err := NewRep(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer rep.Close()
	req, err := NewReq(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer req.Close()
	at, err := rep.Bind("tcp://127.0.0.1:*")
	if err != nil {
		t.Fatal(err)
	}
	if err := req.Connect(at); err != nil {
		t.Fatal(err)
	}
	if err := req.WaitPeers(ctx, 1); err != nil {
		t.Fatal(err)
	}
	c, _ := req.allPipes()[0].peer()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				c.wakeWriter()
			}
		}
	}()
	defer func() {
		close(stop)
		<-stopped
	}()
	for i := range 500 {
		want := strconv.Itoa(i)
		if err := req.Send(ctx, []byte(want)); err != nil {
			t.Fatal(err)
		}
		m, err := rep.Recv(ctx)
		if err != nil || string(m.Bytes()) != want {
			t.Fatalf("request %q: %v", m.Bytes(), err)
		}
		if err := rep.Send(ctx, m.Bytes()); err != nil {
			t.Fatal(err)
		}
		if m, err = req.Recv(ctx); err != nil || string(m.Bytes()) != want {
			t.Fatalf("reply %q: %v", m.Bytes(), err)
		}
	}
}
