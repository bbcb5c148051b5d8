package peer

import "github.com/experimance/experimance-go/bench/internal/engine"

// hold binds a socket, tells its memory at each Mem, and sends one message at each Send.
func (p *player) hold() error {
	s, err := p.openOne()
	if err != nil {
		return err
	}
	return p.obey(func() error { return s.Send([]engine.Message{p.spec.message(countMark)}) })
}

// serve runs the engine's server.
func (p *player) serve() error {
	broker, ok := p.engine.(engine.Broker)
	if !ok {
		return engine.Unsupported("no server in this engine")
	}
	endpoint, err := broker.Serve()
	if err != nil {
		return err
	}
	p.control.say(Bound, endpoint)
	return p.obey(func() error { return engine.Unsupported("a server does not send") })
}

// obey answers Mem and Send until the runner has gone.
func (p *player) obey(send func() error) error {
	for {
		word, err := p.control.next(p.ctx)
		if err != nil {
			return err
		}
		if err := p.follow(word, send); err != nil {
			return err
		}
	}
}

func (p *player) follow(word string, send func() error) error {
	switch word {
	case Mem:
		values, err := memory()
		if err != nil {
			return err
		}
		p.control.say(Result, values...)
	case Send:
		if err := send(); err != nil {
			return err
		}
		p.control.say(Ready)
	}
	return nil
}
