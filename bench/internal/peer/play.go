package peer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/experimance/experimance-go/bench/internal/engine"
)

// Play plays a role with an engine until the runner's words, read from in, end. What went wrong is told on out, and
// returned.
func Play(e engine.Engine, spec Spec, in io.Reader, out io.Writer) error {
	ctx, fail := context.WithCancelCause(context.Background())
	defer fail(nil)
	c := newControl(in, out, fail)
	err := (&player{engine: e, spec: spec, control: c, ctx: ctx, fail: fail}).play()
	var unsupported engine.Unsupported
	switch {
	case errors.Is(err, errGone):
		return nil
	case errors.As(err, &unsupported):
		c.say(Unsupported, unsupported)
	default:
		c.say(Failed, err)
	}
	return err
}

// player is a peer at work.
type player struct {
	engine  engine.Engine
	spec    Spec
	control *control

	// ctx ends with the error of the first of the peer's goroutines that failed, or errGone. They end with the process.
	ctx  context.Context
	fail context.CancelCauseFunc
}

// play returns errGone when the runner has gone.
func (p *player) play() error {
	roles := map[Role]func() error{
		Flood: p.flood, Drain: p.drain, Ask: p.ask, Echo: p.echo, Pace: p.pace, Stamp: p.stamp,
		First: p.first, Whole: p.whole, Inproc: p.inproc, Hold: p.hold, Serve: p.serve, Idle: p.idle,
		Tick: p.tick, Many: p.many, Knock: p.knock,
	}
	role, ok := roles[p.spec.Role]
	if !ok {
		return fmt.Errorf("peer: unknown role %q", p.spec.Role)
	}
	return role()
}

// open opens the spec's sockets and tells where they are bound.
func (p *player) open() ([]engine.Socket, error) {
	sockets := make([]engine.Socket, p.spec.Sockets)
	for i := range sockets {
		s, err := p.engine.Open(p.spec.Socket, p.spec.options())
		if err != nil {
			return nil, err
		}
		if err := p.attach(s, i); err != nil {
			return nil, err
		}
		sockets[i] = s
	}
	return sockets, nil
}

func (p *player) attach(s engine.Socket, i int) error {
	if p.spec.Bind {
		endpoint, err := s.Bind(p.spec.Endpoint)
		if err != nil {
			return fmt.Errorf("bind %s: %w", p.spec.Endpoint, err)
		}
		p.control.say(Bound, endpoint)
	} else if err := s.Connect(p.spec.Endpoint); err != nil {
		return fmt.Errorf("connect %s: %w", p.spec.Endpoint, err)
	}
	if p.spec.Socket == engine.Sub {
		return s.Subscribe(p.spec.topic(i))
	}
	return nil
}

// openOne opens the one socket of a role that has one.
func (p *player) openOne() (engine.Socket, error) {
	sockets, err := p.open()
	if err != nil {
		return nil, err
	}
	return sockets[0], nil
}

// leave waits until the runner has gone.
func (p *player) leave() error {
	<-p.ctx.Done()
	return context.Cause(p.ctx)
}
