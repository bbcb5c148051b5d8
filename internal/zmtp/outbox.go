package zmtp

import (
	"context"
	"net"
	"syscall"
	"time"
)

// outbox writes to a connection, in order. A connection of the system's has a buffer
// larger than all that a handshake sends, so the outbox writes to it at once. Any other
// connection may have none, and two ends that both write before they read would wait for
// each other for ever: there a goroutine writes while the outbox's owner reads.
type outbox struct {
	conn  net.Conn
	queue chan []byte   // nil if send writes at once
	done  chan struct{} // closed when the goroutine has ended
	err   error         // of the write that failed; to be read after done
}

func newOutbox(conn net.Conn) *outbox {
	o := &outbox{conn: conn}
	if _, ok := conn.(syscall.Conn); ok {
		return o
	}
	o.queue, o.done = make(chan []byte, 2), make(chan struct{})
	go o.writeQueue()
	return o
}

func (o *outbox) writeQueue() {
	defer close(o.done)
	for b := range o.queue {
		if o.write(b); o.err != nil {
			return
		}
	}
}

// write writes b, unless an earlier write has failed.
func (o *outbox) write(b []byte) {
	if o.err == nil {
		_, o.err = o.conn.Write(b)
	}
}

// send sends b, which then is the outbox's. Nothing is sent after a failed write,
// which finish reports: what the peer has said before is to be read first.
func (o *outbox) send(b []byte) {
	switch {
	case len(b) == 0:
	case o.queue == nil:
		o.write(b)
	default:
		select {
		case o.queue <- b:
		case <-o.done:
		}
	}
}

// finish waits until all is written or a write has failed.
func (o *outbox) finish() error {
	if o.queue != nil {
		close(o.queue)
		<-o.done
	}
	return o.err
}

// abandon gives what is queued a moment to leave, so that the peer learns why it is
// refused, and ends the writing. Afterwards the connection has an expired deadline.
func (o *outbox) abandon(ctx context.Context) {
	if o.queue == nil {
		expire(o.conn)
		return
	}
	close(o.queue)
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-o.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	expire(o.conn)
	<-o.done
}
