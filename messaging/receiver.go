package messaging

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/experimance/experimance-go/service"
)

// receiver takes messages from a socket, in tasks of the service, and has them handled.
type receiver[S receiveSocket] struct {
	link  *link[S]
	name  string // of its handlers, in errors
	codec Codec
	bad   badMessages
	ready chan struct{} // closed when messages can be handled; nil means at once

	unhandled, failed atomic.Uint64
}

func (r *receiver[S]) init(cfg Config, l *link[S]) {
	r.link, r.name, r.codec = l, l.role+" handler", cfg.codec()
	r.bad.svc, r.bad.interval = l.svc, cfg.warningInterval()
	r.bad.role = "messaging: " + l.role + " of " + l.svc.Name()
}

// reset begins counting anew.
func (r *receiver[S]) reset() {
	r.bad.reset()
	r.unhandled.Store(0)
	r.failed.Store(0)
}

// run registers n receive loops, each of which calls dispatch for one message after the other.
func (r *receiver[S]) run(n int, newDispatch func() dispatch) error {
	for i := range n {
		name := r.link.role
		if n > 1 {
			name = fmt.Sprintf("%s %d", name, i+1)
		}
		task := func(ctx context.Context) error { return r.loop(ctx, newDispatch()) }
		if err := r.link.svc.Go(name, task); err != nil {
			return err
		}
	}
	return nil
}

// dispatch finds out what message the payload is, and who handles it; a nil Handler means nobody.
type dispatch func(payload []byte) (Handler, Delivery, error)

func (r *receiver[S]) loop(ctx context.Context, find dispatch) error {
	if r.ready != nil {
		select {
		case <-r.ready:
		case <-ctx.Done():
			return nil
		}
	}
	s, err := r.link.get("Receive")
	if err != nil {
		return err
	}
	err = s.receive(ctx, func(payload []byte, parts int) {
		r.link.svc.CountReceived(1)
		if parts != 1 {
			r.bad.report(&BadMessageError{Size: len(payload), Err: errParts})
			return
		}
		h, d, err := find(payload)
		if err == nil {
			err = r.handle(ctx, h, d)
		}
		if err != nil {
			r.record(err)
		}
	})
	return r.link.failed(ctx, "Receive", err)
}

func (r *receiver[S]) handle(ctx context.Context, h Handler, d Delivery) error {
	if h == nil {
		r.unhandled.Add(1)
		return nil
	}
	d.codec = r.codec
	return protect(r.name, func() error { return h(ctx, d) })
}

// record counts what went wrong with a message.
func (r *receiver[S]) record(err error) {
	var bad *BadMessageError
	if errors.As(err, &bad) {
		r.bad.report(bad)
		return
	}
	r.failed.Add(1)
	r.link.svc.RecordError(fmt.Errorf("messaging: %s of %s: %w", r.name, r.link.svc.Name(), err))
}

func (r *receiver[S]) stats() SocketStats {
	s := r.link.stats()
	s.Bad, s.Unhandled, s.Failed = r.bad.count.Load(), r.unhandled.Load(), r.failed.Load()
	return s
}

// protect calls fn and returns its panic as an error.
func protect(name string, fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &service.PanicError{Name: name, Value: v, Stack: string(debug.Stack())}
		}
	}()
	return fn()
}

// badMessages counts messages that could not be read, and warns of them at its pace.
type badMessages struct {
	pace
	svc  *service.Service
	role string
}

func (b *badMessages) report(err *BadMessageError) {
	if n, due := b.add(); due {
		b.svc.RecordWarning(fmt.Errorf("%s dropped %d unreadable since the last warning, the latest: %w", b.role, n, err))
	}
}
