package zmtp

import (
	"context"
	"net"
	"time"
)

// outbox writes to a connection, in order, while its owner reads. Two ends that both
// write before they read would otherwise wait for each other for ever where the
// connection has no buffer.
type outbox struct {
	queue chan []byte
	done  chan struct{} // closed when the writer has ended
	err   error         // of the write that failed; to be read after done
}

func newOutbox(conn net.Conn) *outbox {
	o := &outbox{queue: make(chan []byte, 2), done: make(chan struct{})}
	go o.write(conn)
	return o
}

func (o *outbox) write(conn net.Conn) {
	defer close(o.done)
	for b := range o.queue {
		if _, err := conn.Write(b); err != nil {
			o.err = err
			return
		}
	}
}

// send queues b, which then is the outbox's. Nothing is sent after a failed write,
// which finish reports.
func (o *outbox) send(b []byte) {
	if len(b) == 0 {
		return
	}
	select {
	case o.queue <- b:
	case <-o.done:
	}
}

// finish waits until all is written or a write has failed.
func (o *outbox) finish() error {
	close(o.queue)
	<-o.done
	return o.err
}

// abandon gives what is queued a moment to leave, so that the peer learns why it is
// refused, and ends the writer. Afterwards conn has an expired deadline.
func (o *outbox) abandon(ctx context.Context, conn net.Conn) {
	close(o.queue)
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-o.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	expire(conn)
	<-o.done
}
