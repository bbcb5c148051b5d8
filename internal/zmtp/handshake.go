package zmtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
)

// farewell bounds how long a failed handshake waits for the ERROR command that
// tells the peer why to leave.
const farewell = time.Second

// Peer is the other end of a connection whose handshake has succeeded.
type Peer struct {
	// Minor is the version of ZMTP 3 to speak: the lower of both ends.
	Minor byte

	// SocketType is the peer's, such as "SUB".
	SocketType string

	// Identity is the peer's own choice. Nil when it made none that counts: its
	// type has no identities, or the first byte is the reserved zero.
	Identity []byte

	// Properties is all that the peer said about itself.
	Properties wire.Properties

	// User is who the mechanism has found the peer to be. Zero when it did not ask.
	User mechanism.User

	// Sealer protects the frames of the traffic. Nil means that they travel as
	// they are.
	Sealer mechanism.Sealer

	// Buffered is what was read beyond the handshake: the first bytes of the
	// traffic. Nil when there are none.
	Buffered []byte
}

// Handshake greets the peer at the other end of conn and agrees with it on all
// that is to be known before traffic begins. Server is true for the end that
// accepted the connection. The greeting is sent at once and as a whole. The end that
// connected sends READY without waiting for the peer's, the other one when it has
// accepted the peer.
//
// The context and Config.Timeout bound the whole of it, until each end has told the
// other that it is accepted. On success conn has no deadline. On failure the error is
// a [*HandshakeError] (or says that cfg is invalid), conn has an expired deadline, and
// the caller closes it: Handshake never does. Conn must end its reads and writes when
// its deadline passes, as those of package net do; while Handshake runs nobody else
// may use it.
func Handshake(ctx context.Context, conn net.Conn, server bool, cfg Config) (*Peer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	timeout := cfg.timeout()
	ctx, cancel := context.WithTimeoutCause(ctx, timeout,
		fmt.Errorf("peer was not done within %v: %w", timeout, os.ErrDeadlineExceeded))
	defer cancel()
	expired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		expire(conn)
		close(expired)
	})

	addr := peerAddress(conn)
	h := &handshake{
		cfg:    &cfg,
		server: server,
		mech:   cfg.newMechanism(server, addr),
		in:     inbox{conn: conn},
		out:    newOutbox(conn),
		stage:  StageGreeting,
	}
	peer, err := h.run(ctx)
	if err != nil {
		h.out.abandon(ctx, conn)
	} else {
		err = h.out.finish()
	}
	// From here on nobody sets the deadline behind our back. A context that ended after the last
	// write came too late to refuse the peer: it has been told that it is accepted, and what it has
	// sent since would be lost without a word.
	if !stop() {
		<-expired
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		expire(conn)
		return nil, h.failure(ctx, addr, err)
	}
	return peer, nil
}

// handshake is the state of one handshake.
type handshake struct {
	cfg    *Config
	server bool
	mech   mechanism.Mechanism
	in     inbox
	out    *outbox
	stage  Stage
}

func (h *handshake) run(ctx context.Context) (*Peer, error) {
	h.out.send(wire.AppendGreeting(nil, wire.Greeting{
		Major:     wire.Major,
		Minor:     wire.Minor,
		Mechanism: h.mech.Name(),
		AsServer:  h.mech.AsServer(),
	}))
	theirs, err := h.readGreeting()
	if err != nil {
		return nil, err
	}
	h.stage = StageSecurity
	last, err := h.secure(ctx)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil { // the last moment to refuse the peer
		return nil, context.Cause(ctx)
	}
	peer := h.peer(theirs)
	if h.cfg.Admit != nil {
		if err := h.cfg.Admit(peer); err != nil {
			return nil, protocolError{err}
		}
	}
	h.out.send(last)
	return peer, nil
}

// readGreeting reads the peer's greeting and refuses it at the first byte that
// this end cannot go along with.
func (h *handshake) readGreeting() (wire.Greeting, error) {
	for {
		if err := wire.CheckGreeting(h.in.buf); err != nil {
			return wire.Greeting{}, protocolError{err}
		}
		if len(h.in.buf) >= wire.GreetingSize {
			break
		}
		if err := h.in.more(wire.GreetingSize); err != nil {
			return wire.Greeting{}, err
		}
	}
	greeting, err := wire.ParseGreeting(h.in.take(wire.GreetingSize))
	if err != nil {
		return wire.Greeting{}, protocolError{err}
	}
	if greeting.Mechanism != h.mech.Name() {
		return wire.Greeting{}, protocolError{fmt.Errorf(
			"peer's security mechanism is %q, ours %q: configure both ends the same", greeting.Mechanism, h.mech.Name())}
	}
	return greeting, nil
}

// secure exchanges the mechanism's commands. It returns the last ones, which tell the
// peer that it is accepted.
func (h *handshake) secure(ctx context.Context) (last []byte, err error) {
	h.out.send(h.mech.Start())
	for {
		command, err := h.readCommand()
		if err != nil {
			return nil, err
		}
		reply, done, err := h.mech.Handle(ctx, command)
		if done && err == nil {
			return reply, nil
		}
		h.out.send(reply)
		if err != nil {
			return nil, protocolError{err}
		}
	}
}

// readCommand reads the body of the next frame, which must be a command of no more
// than the allowed size.
func (h *handshake) readCommand() ([]byte, error) {
	for {
		flags, size, n, err := wire.ParseHeader(h.in.buf)
		switch {
		case err != nil:
			return nil, protocolError{err}
		case n > 0 && flags&wire.FlagCommand == 0:
			return nil, protocolError{errors.New("peer sent a message before the handshake was complete")}
		case size > h.cfg.maxCommand():
			return nil, protocolError{fmt.Errorf(
				"peer sent a command of %d bytes in the handshake, more than %d", size, h.cfg.maxCommand())}
		case n > 0 && int64(len(h.in.buf)-n) >= size:
			h.in.take(n)
			return h.in.take(int(size)), nil
		}
		if err := h.in.more(n + int(size)); err != nil {
			return nil, err
		}
	}
}

func (h *handshake) peer(greeting wire.Greeting) *Peer {
	props := h.mech.Metadata()
	peer := &Peer{
		Minor:      commonMinor(greeting),
		SocketType: socketType(props),
		Identity:   peerIdentity(props),
		Properties: props,
		Sealer:     h.mech.Sealer(),
		Buffered:   h.in.rest(),
	}
	if authenticated, ok := h.mech.(mechanism.Authenticated); ok {
		peer.User = authenticated.User()
	}
	return peer
}

// commonMinor is the lower of both ends' versions. A peer of a later major version
// speaks ours (RFC 37, "Version Negotiation").
func commonMinor(g wire.Greeting) byte {
	if g.Major > wire.Major {
		return wire.Minor
	}
	return min(g.Minor, wire.Minor)
}

// protocolError marks errors of the peer's making, as opposed to the network's.
type protocolError struct{ error }

func (e protocolError) Unwrap() error { return e.error }

// failure classifies err. An error of the network is but a consequence when the
// context has ended.
func (h *handshake) failure(ctx context.Context, addr string, err error) *HandshakeError {
	failed := &HandshakeError{Stage: h.stage, Kind: KindNetwork, Peer: addr, Err: err}
	var protocol protocolError
	switch {
	case errors.As(err, &protocol):
		failed.Kind, failed.Err = KindProtocol, protocol.error
		if errors.Is(err, mechanism.ErrAuthentication) {
			failed.Kind = KindAuthentication
		}
	case ctx.Err() != nil:
		failed.Err = context.Cause(ctx)
	default:
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
			failed.Err = fmt.Errorf("peer closed the connection: %w", err)
		}
		if h.presented() {
			failed.Err = fmt.Errorf("peer closed the connection instead of answering with READY: "+
				"it may have a peer with this identity already, or take no more peers at present: %w", err)
		}
	}
	return failed
}

// presented reports whether all that is missing is that the peer takes this end.
func (h *handshake) presented() bool {
	presenter, ok := h.mech.(mechanism.Presenter)
	return ok && !h.server && h.stage == StageSecurity && presenter.AwaitsReady()
}

// expire ends the reads and writes of conn, those under way and those to come.
func expire(conn net.Conn) {
	// An error means that the connection is closed, which ends them too.
	_ = conn.SetDeadline(time.Unix(1, 0))
}

func peerAddress(conn net.Conn) string {
	if addr := conn.RemoteAddr(); addr != nil {
		return addr.String()
	}
	return "unknown address"
}
