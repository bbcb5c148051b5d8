package zmtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
)

// farewell bounds how long a failed handshake waits for the ERROR command that
// tells the peer why to leave.
const farewell = time.Second

// Peer is the other end of a connection whose handshake has succeeded.
type Peer struct {
	// Major is 3, or 2 for a peer of ZMTP 2.0, which has no commands.
	Major byte

	// Minor is the version of ZMTP 3 to speak, the lower of both ends. With a peer of
	// ZMTP 2.0 it is 0.
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
// accepted the connection.
//
// The greeting is sent in three steps, as libzmq does it: the signature at once, the
// major version when the peer's signature has come, and the rest when the peer's version
// has come. So each of two ends learns the other's version before it says what a later
// version alone has, and a peer that closes the connection for the security mechanism
// in the greeting has told its own before. The end that connected sends READY without
// waiting for the peer's, the other one when it has accepted the peer. With a peer of
// ZMTP 2.0 the greeting ends with socket types and identities, and there is no READY.
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
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errSlow)
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
		h.out.abandon(ctx)
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
	old    bool // the peer speaks ZMTP 2.0
	asked  bool // the peer owes an answer to a command
	agreed bool // all that is missing is that the peer is told so
}

func (h *handshake) run(ctx context.Context) (*Peer, error) {
	theirs, err := h.greet(ctx)
	if err != nil {
		return nil, err
	}
	var last []byte
	if h.old {
		err = h.identify(ctx)
	} else {
		h.stage = StageSecurity
		last, err = h.secure(ctx)
	}
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
	h.agreed = true
	h.out.send(last)
	return peer, nil
}

// headStart is how long the rest of our greeting waits for that of libzmq.
const headStart = 20 * time.Millisecond

// greet sends this end's greeting in its steps and reads the peer's, which it refuses at
// the first byte that this end cannot go along with. Of a peer of ZMTP 2.0, all but the
// version is left to be read.
//
// libzmq closes the connection when it has read another mechanism, even if it has not
// sent its own yet. It sends that as soon as it has read our version, so it gets a head
// start. Other peers do not, since two that wait would both wait in vain.
func (h *handshake) greet(ctx context.Context) (wire.Greeting, error) {
	ours := wire.AppendGreeting(nil, wire.Greeting{
		Major:     wire.Major,
		Minor:     wire.Minor,
		Mechanism: h.mech.Name(),
		AsServer:  h.mech.AsServer(),
	})
	sent, waited := 0, false
	for {
		if err := wire.CheckGreeting(h.in.buf); err != nil {
			return wire.Greeting{}, protocolError{err}
		}
		due, wait := wire.SignatureSize, time.Duration(0)
		switch have := len(h.in.buf); {
		case wire.IsV2(h.in.buf):
			h.old = true
			return wire.Greeting{Major: majorV2}, h.greetV2(ours[sent:wire.VersionSize])
		case have == wire.SignatureSize, have == wire.VersionSize && wire.IsPadded(h.in.buf) && !waited:
			due = wire.VersionSize
			if have == wire.VersionSize {
				waited, wait = true, headStart
			}
		case have > wire.SignatureSize:
			due = wire.GreetingSize
		}
		h.out.send(ours[sent:due])
		sent = due
		if len(h.in.buf) >= wire.GreetingSize {
			return h.judge()
		}
		if err := h.in.moreWithin(ctx, wait, wire.GreetingSize); err != nil {
			return wire.Greeting{}, err
		}
	}
}

// judge decodes the peer's greeting and compares the mechanisms.
func (h *handshake) judge() (wire.Greeting, error) {
	greeting, err := wire.ParseGreeting(h.in.take(wire.GreetingSize))
	switch {
	case err != nil:
	case greeting.Mechanism != h.mech.Name():
		err = fmt.Errorf("peer's security mechanism is %q, ours %q: configure both ends the same", greeting.Mechanism, h.mech.Name())
	case greeting.AsServer && h.mech.AsServer():
		err = fmt.Errorf("both ends are configured as the server of %s: make one of them the client", greeting.Mechanism)
	default:
		return greeting, nil
	}
	return wire.Greeting{}, protocolError{err}
}

// secure exchanges the mechanism's commands. It returns the last ones, which tell the
// peer that it is accepted.
func (h *handshake) secure(ctx context.Context) (last []byte, err error) {
	h.say(h.mech.Start())
	for {
		command, err := h.readCommand()
		if err != nil {
			return nil, err
		}
		reply, done, err := h.mech.Handle(ctx, command)
		if done && err == nil {
			return reply, nil
		}
		h.say(reply)
		if err != nil {
			return nil, protocolError{err}
		}
	}
}

// say sends commands of the mechanism.
func (h *handshake) say(commands []byte) {
	h.asked = len(commands) > 0
	h.out.send(commands)
}

// readCommand reads the body of the next frame, which must be a command of no more
// than the allowed size.
func (h *handshake) readCommand() ([]byte, error) {
	return h.readFrame(func(flags byte, size int64) error {
		switch {
		case flags&wire.FlagCommand == 0:
			return errors.New("peer sent a message before the handshake was complete")
		case size > h.cfg.maxCommand():
			return fmt.Errorf("peer sent a command of %d bytes in the handshake, more than %d", size, h.cfg.maxCommand())
		}
		return nil
	})
}

// readFrame reads the body of the next frame, as soon as check has passed its flags and
// size.
func (h *handshake) readFrame(check func(flags byte, size int64) error) ([]byte, error) {
	for {
		flags, size, n, err := wire.ParseHeader(h.in.buf)
		if err == nil && n > 0 {
			err = check(flags, size)
		}
		switch {
		case err != nil:
			return nil, protocolError{err}
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
		Major:      min(greeting.Major, wire.Major),
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
