package peer

import "github.com/experimance/experimance-go/bench/internal/engine"

// inproc floods from one goroutine of this process to another.
func (p *player) inproc() error {
	to, from := p.spec, p.spec
	to.Socket, to.Bind = engine.Pull, true
	from.Socket, from.Bind = engine.Push, false
	in, err := (&player{engine: p.engine, spec: to, control: p.control}).openOne()
	if err != nil {
		return err
	}
	out, err := (&player{engine: p.engine, spec: from, control: p.control}).openOne()
	if err != nil {
		return err
	}
	f := &flooding{spec: from, sent: make([]counter, 1)}
	f.started.Store(true)
	d := newDraining(to)
	go func() { p.fail(f.send(out, &f.sent[0])) }()
	go func() { p.fail(d.receive(in)) }()
	return p.watch(d)
}
