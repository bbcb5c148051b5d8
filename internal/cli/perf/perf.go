// Package perf measures package zmq as libzmq's own perf programs measure libzmq: with the same sockets, the same arguments
// and the same lines of output, so that either side of a measurement can be one of those programs.
package perf

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// Work is what is measured: messages of Size bytes, Count of them.
type Work struct {
	Size  int
	Count int
}

// warningInterval is the least time between two warnings about failed handshakes.
const warningInterval = 10 * time.Second

// watch returns cfg with events, of which it logs failed handshakes: without, a wrong endpoint
// would only be waited for. stop ends that, when the socket is closed.
func watch(cfg zmq.Config) (watched zmq.Config, stop func()) {
	events := make(chan zmq.Event, 16)
	cfg.Events = events
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var next time.Time
		for {
			select {
			case e := <-events:
				if e.Kind == zmq.EventHandshakeFailed && !time.Now().Before(next) {
					slog.Warn("no connection: handshake failed", "endpoint", e.Endpoint, "error", e.Err)
					next = time.Now().Add(warningInterval)
				}
			case <-quit:
				return
			}
		}
	}()
	return cfg, func() {
		close(quit)
		<-done
	}
}

// linger is how long a sender may take to get rid of its last messages.
const linger = time.Minute

// LocalThroughput receives messages at a bound PULL, and prints how many came in a second. The clock starts with the first.
func LocalThroughput(ctx context.Context, out io.Writer, bind string, w Work) error {
	cfg, stop := watch(zmq.Config{})
	defer stop()
	s, err := zmq.NewPull(cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Bind(bind); err != nil {
		return err
	}
	elapsed, err := w.receive(ctx, s)
	if err != nil {
		return err
	}
	w.printThroughput(out, elapsed)
	return nil
}

// RemoteThroughput sends the messages from a connected PUSH.
func RemoteThroughput(ctx context.Context, connect string, w Work) error {
	cfg, stop := watch(zmq.Config{Linger: linger})
	defer stop()
	s, err := zmq.NewPush(cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Connect(connect); err != nil {
		return err
	}
	return w.send(ctx, s)
}

// InprocThroughput sends and receives within this process, and prints what LocalThroughput prints.
func InprocThroughput(ctx context.Context, out io.Writer, w Work) error {
	const endpoint = "inproc://thr_test"
	sent := make(chan error, 1)
	go func() { sent <- RemoteThroughput(ctx, endpoint, w) }()
	if err := LocalThroughput(ctx, out, endpoint, w); err != nil {
		return err
	}
	return <-sent
}

// LocalLatency answers each request at a bound REP with itself.
func LocalLatency(ctx context.Context, bind string, w Work) error {
	cfg, stop := watch(zmq.Config{Linger: linger})
	defer stop()
	s, err := zmq.NewRep(cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Bind(bind); err != nil {
		return err
	}
	for range w.Count {
		m, err := s.Recv(ctx)
		if err != nil {
			return err
		}
		if err := s.Send(ctx, m.Frames()...); err != nil {
			return err
		}
		m.Release()
	}
	return nil
}

// RemoteLatency sends requests from a connected REQ, one after the other, and prints half the mean time of a round trip.
func RemoteLatency(ctx context.Context, out io.Writer, connect string, w Work) error {
	cfg, stop := watch(zmq.Config{})
	defer stop()
	s, err := zmq.NewReq(cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Connect(connect); err != nil {
		return err
	}
	body := make([]byte, w.Size)
	begin := time.Now()
	for range w.Count {
		if err := s.Send(ctx, body); err != nil {
			return err
		}
		m, err := s.Recv(ctx)
		if err != nil {
			return err
		}
		if len(m.Bytes()) != w.Size {
			return fmt.Errorf("a message of %d bytes came back with %d", w.Size, len(m.Bytes()))
		}
		m.Release()
	}
	fmt.Fprintf(out, "message size: %d [B]\n", w.Size)
	fmt.Fprintf(out, "roundtrip count: %d\n", w.Count)
	fmt.Fprintf(out, "average latency: %.3f [us]\n", time.Since(begin).Seconds()*1e6/float64(w.Count)/2)
	return nil
}

// InprocLatency sends requests within this process, and prints what RemoteLatency prints.
func InprocLatency(ctx context.Context, out io.Writer, w Work) error {
	const endpoint = "inproc://lat_test"
	answered := make(chan error, 1)
	go func() { answered <- LocalLatency(ctx, endpoint, w) }()
	if err := RemoteLatency(ctx, out, endpoint, w); err != nil {
		return err
	}
	return <-answered
}

func (w Work) send(ctx context.Context, s *zmq.Push) error {
	body := make([]byte, w.Size)
	for range w.Count {
		if err := s.Send(ctx, body); err != nil {
			return err
		}
	}
	return nil
}

// receive receives all messages, and returns the time from the first to the last.
func (w Work) receive(ctx context.Context, s *zmq.Pull) (elapsed time.Duration, err error) {
	var begin time.Time
	for i := range w.Count {
		m, err := s.Recv(ctx)
		if err != nil {
			return 0, err
		}
		if len(m.Bytes()) != w.Size {
			return 0, fmt.Errorf("message %d has %d bytes, want %d", i, len(m.Bytes()), w.Size)
		}
		m.Release()
		if i == 0 {
			begin = time.Now()
		}
	}
	return max(time.Since(begin), 1), nil
}

func (w Work) printThroughput(out io.Writer, elapsed time.Duration) {
	rate := float64(w.Count) / elapsed.Seconds()
	fmt.Fprintf(out, "message size: %d [B]\n", w.Size)
	fmt.Fprintf(out, "message count: %d\n", w.Count)
	fmt.Fprintf(out, "mean throughput: %.0f [msg/s]\n", rate)
	fmt.Fprintf(out, "mean throughput: %.3f [Mb/s]\n", rate*float64(w.Size)*8/1e6)
}
