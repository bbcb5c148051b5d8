package messaging

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/experimance/experimance-go/service"
)

// link ties one socket to a service's life: opened at each Start, closed at Stop, with what it did in the receipt.
type link[S socket] struct {
	svc      *service.Service
	role     string // "pub", "sub", "push" or "pull": for errors and names
	addrs    []address
	options  socketOptions
	interval time.Duration // between two warnings about peers
	make     func(engine, socketOptions) (S, error)

	opened  func(S) error            // before the addresses are bound and connected; may be nil
	closing func(context.Context, S) // before the socket is closed, also where its opening failed; may be nil

	grace time.Duration // how long calls may go on waiting while the service stops
	waits waits

	live atomic.Pointer[liveSocket[S]]

	mu   sync.Mutex
	last SocketStats // what the closed socket did
}

// liveSocket is a socket that is open.
type liveSocket[S socket] struct {
	socket    S
	addresses []string
}

// attach registers the link with its service. It is called once, while the service is made.
func (l *link[S]) attach() error {
	l.svc.States().OnState(service.Stopping, func(t service.Transition) { l.waits.endAfter(l.grace, t.Time) })
	return l.svc.AddHook(service.Hook{
		Name:  l.role + " socket",
		Phase: service.PhaseSocket,
		Start: l.open,
		Stop:  l.close,
	})
}

// open makes a fresh socket, and binds and connects it.
func (l *link[S]) open(context.Context) error {
	options := l.options
	options.refused = l.warnings("no connection: handshake failed")
	options.limited = l.warnings("peer disconnected: it went beyond a limit")
	options.full = l.warnings("peers make the socket keep as much memory as it may")
	s, err := l.make(engines[l.addrs[0].scheme], options)
	if err != nil {
		return fmt.Errorf("messaging: open %s socket of %s: %w", l.role, l.svc.Name(), err)
	}
	addresses, err := l.wire(s)
	if err != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // there is nothing to be sent
		return errors.Join(err, l.shut(ctx, s))
	}
	l.waits.begin()
	l.live.Store(&liveSocket[S]{s, addresses})
	return nil
}

// warnings returns a function that logs a peer's failure, at its pace. It is no error of the
// service: any peer could make it ill.
func (l *link[S]) warnings(text string) func(endpoint, peer string, err error) {
	p := pace{interval: l.interval}
	return func(endpoint, peer string, err error) {
		if n, due := p.add(); due {
			l.svc.Logger().Warn(text, "socket", l.role, "endpoint", endpoint, "peer", peer, "failures", n, "error", err)
		}
	}
}

func (l *link[S]) wire(s S) (resolved []string, err error) {
	if l.opened != nil {
		if err := l.opened(s); err != nil {
			return nil, err
		}
	}
	for _, a := range l.addrs {
		endpoint := a.endpoint
		if a.bind {
			endpoint, err = s.bind(a.endpoint)
		} else {
			err = s.connect(a.endpoint)
		}
		if err != nil {
			return nil, fmt.Errorf("messaging: %s of %s: %w", l.role, l.svc.Name(), err)
		}
		resolved = append(resolved, endpoint)
	}
	return resolved, nil
}

// aloneTime is how long Stop waits for a peer that takes what is queued, where there is none.
const aloneTime = time.Second

// close sends what is queued and closes the socket. It leaves a tenth of the time that Stop has to whoever stops next.
func (l *link[S]) close(ctx context.Context) error {
	l.waits.end()
	s := l.live.Load().socket
	before := s.stats()
	limit := time.Now().Add(aloneTime)
	if deadline, ok := ctx.Deadline(); ok && (before.Peers > 0 || deadline.Before(limit)) {
		limit = deadline.Add(-time.Until(deadline) / 10)
	}
	ctx, cancel := context.WithDeadline(ctx, limit)
	defer cancel()
	err := l.shut(ctx, s)
	after := s.stats()
	dropped := after.Dropped - before.Dropped
	l.svc.AddReceipt(uint64(before.Queued)-min(dropped, uint64(before.Queued)), dropped)

	l.mu.Lock()
	l.last = after
	l.live.Store(nil)
	l.mu.Unlock()
	return err
}

func (l *link[S]) shut(ctx context.Context, s S) error {
	if l.closing != nil {
		l.closing(ctx, s)
	}
	if err := s.shutdown(ctx); err != nil {
		return fmt.Errorf("messaging: close %s socket of %s: %w", l.role, l.svc.Name(), err)
	}
	return nil
}

// get returns the open socket, or the error for a call of method while there is none.
func (l *link[S]) get(method string) (S, error) {
	if live := l.live.Load(); live != nil {
		return live.socket, nil
	}
	var none S
	return none, l.notOpen(method)
}

func (l *link[S]) notOpen(method string) error {
	return fmt.Errorf("messaging: %s of %s: %w", l.role, l.svc.Name(), &service.StateError{
		Method: method,
		State:  l.svc.State(),
		Valid:  []service.State{service.Started, service.Running},
	})
}

// failed is the error for a call of method that failed on an open socket. Where the service's stop is the reason it says
// so, as an error that is service.ErrStopped.
func (l *link[S]) failed(ctx context.Context, method string, err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(context.Cause(ctx), service.ErrStopped) {
		err = fmt.Errorf("%w: %w", service.ErrStopped, err)
	}
	return fmt.Errorf("messaging: %s of %s: %s: %w", l.role, l.svc.Name(), method, err)
}

// addresses returns the addresses in the order of the configuration, wildcards resolved, or nil where the service is not
// started.
func (l *link[S]) addresses() []string {
	if live := l.live.Load(); live != nil {
		return append([]string(nil), live.addresses...)
	}
	return nil
}

func (l *link[S]) stats() SocketStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	if live := l.live.Load(); live != nil {
		return live.socket.stats()
	}
	return l.last
}
