package zmq

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/experimance/experimance-go/internal/zmtp"
)

// dialer keeps one connected endpoint connected: it tries until it succeeds, and again when the connection ends.
type dialer struct {
	s        *socket
	pipe     *pipe
	ep       endpoint
	endpoint string // as the user wrote it
	cancel   context.CancelFunc
	ended    chan struct{}
	linked   chan *inprocLink // of capacity one; inproc: the endpoint was bound
}

// dial starts a dialer.
func (s *socket) dial(ep endpoint, name string) (*dialer, error) {
	d := &dialer{s: s, ep: ep, endpoint: name, pipe: newPipe(s, name), ended: make(chan struct{}), linked: make(chan *inprocLink, 1)}
	d.pipe.dialed = true
	if !s.addPipe(d.pipe) {
		return nil, ErrClosed
	}
	if s.cfg.Immediate {
		d.pipe.out.close()
	} else {
		s.pat.open(d.pipe)
	}
	var ctx context.Context
	ctx, d.cancel = context.WithCancel(s.life)
	s.wg.Add(1)
	if ep.transport == "inproc" {
		first := inprocs.connect(d)
		go d.run(func() { d.keepInproc(ctx, first) })
	} else {
		go d.run(func() { d.keepTCP(ctx) })
	}
	return d, nil
}

func (d *dialer) run(keep func()) {
	defer d.s.wg.Done()
	defer close(d.ended)
	keep()
}

// stop ends the connection, and returns when that is done.
func (d *dialer) stop() {
	d.cancel()
	<-d.ended
}

func (d *dialer) keepTCP(ctx context.Context) {
	s := d.s
	wait := s.cfg.ReconnectInterval
	s.emit(EventConnectDelayed, d.endpoint, "", nil)
	for {
		established, err := d.connect(ctx)
		if ctx.Err() != nil || d.finished() {
			return
		}
		if established {
			wait = s.cfg.ReconnectInterval
		}
		s.emit(EventConnectRetried, d.endpoint, "", err)
		if !pause(ctx, d.delay(wait, err)) {
			return
		}
		wait = max(wait, min(2*wait, s.cfg.ReconnectMax))
	}
}

// delay spreads a wait over half to one and a half of it. A peer that refused us is left alone for longer, since the same
// credentials will not please it at once (RFC 37, section 3.2).
func (d *dialer) delay(wait time.Duration, err error) time.Duration {
	var handshake *zmtp.HandshakeError
	if errors.As(err, &handshake) && handshake.Fatal() {
		wait = max(10*wait, time.Second)
	}
	return wait/2 + rand.N(wait)
}

// finished reports whether a closing socket has no more to do here.
func (d *dialer) finished() bool {
	q := &d.pipe.out
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.draining && q.n == 0
}

// connect makes one connection and serves it to its end. The host name is resolved anew each time.
func (d *dialer) connect(ctx context.Context) (established bool, err error) {
	dial := net.Dialer{Timeout: d.s.cfg.HandshakeTimeout}
	nc, err := dial.DialContext(ctx, "tcp", d.ep.address())
	if err != nil {
		return false, err
	}
	d.s.emit(EventConnected, d.endpoint, nc.RemoteAddr().String(), nil)
	defer d.retire()
	return d.s.serve(ctx, nc, d.endpoint, d.pipe)
}

// retire takes back what waited in the pipe for a peer that went away, where messages wait for completed connections only.
func (d *dialer) retire() {
	if d.s.cfg.Immediate {
		if segs := d.pipe.out.close(); len(segs) > 0 {
			d.s.pat.orphaned(segs)
		}
	}
}
