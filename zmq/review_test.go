package zmq_test

import (
	"encoding/binary"
	"strconv"
	"sync"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// Without a bound, a peer may announce the largest frame that there can be, and not take more than its connection.
func TestLargestFrameAnnounced(t *testing.T) {
	t.Parallel()
	pull := newPull(t, zmq.Config{MaxMessageSize: -1})
	at := bind(t, pull, wildcard)
	for less := range uint64(12) {
		head := binary.BigEndian.AppendUint64([]byte{wire.FlagLong}, 1<<63-1-less)
		peer := dialRaw(t, at).greet("PUSH", 1)
		peer.write(message("before"), head, []byte("some"))
		expect(t, pull, "before")
		check(t, peer.Close())
		eventually(t, "the peer is gone", func() bool { return pull.Stats().Peers == 0 })
	}
}

// Requests of several goroutines, each of which gives the last one up, arrive whole.
func TestRelaxedRequestsOfMany(t *testing.T) {
	t.Parallel()
	const senders, each = 8, 2000
	router := must(zmq.NewRouter(zmq.Config{RecvHWM: -1}))(t)
	closing(t, router)
	req := must(zmq.NewReq(zmq.Config{Relaxed: true, Correlate: true, SendHWM: -1}))(t)
	closing(t, req)
	pair(t, router, req, "inproc://"+t.Name())
	var wg sync.WaitGroup
	ctx := within(t)
	sent := make(chan int, senders)
	for i := range senders {
		wg.Go(func() {
			n := 0
			for range each {
				if req.Send(ctx, []byte("request"), []byte(strconv.Itoa(i))) == nil {
					n++
				}
			}
			sent <- n
		})
	}
	wg.Wait()
	total := 0
	for range senders {
		total += <-sent
	}
	for range total {
		m := must(router.Recv(ctx))(t)
		if m.Len() != 5 || string(m.Frame(3)) != "request" || len(m.Frame(4)) != 1 {
			t.Fatalf("request %q", m.Frames())
		}
		m.Release()
	}
}
