package zmtp

import (
	"errors"
	"fmt"

	"github.com/experimance/experimance-go/internal/mechanism"
)

// Stage is the part of a handshake in which it failed.
type Stage string

// The stages of a handshake, in their order.
const (
	StageGreeting Stage = "greeting" // versions and mechanisms are compared
	StageSecurity Stage = "security" // the mechanism's commands are exchanged
)

// Kind classifies a failed handshake the way monitors do.
type Kind string

// The kinds of failure.
const (
	KindNetwork        Kind = "network"        // no detail: closed, reset, deadline, cancelled
	KindProtocol       Kind = "protocol"       // what the peer sent is not ZMTP, or does not suit this socket
	KindAuthentication Kind = "authentication" // one end did not accept the other's credentials
)

// HandshakeError is the error of a failed handshake.
//
// Of kind network, it wraps the connection's error, [io.ErrUnexpectedEOF] when the
// peer closed, [os.ErrDeadlineExceeded] when the time was up, or the context's
// error; its text tells what was missing and the likely causes. Of the other kinds, it
// may wrap [wire.ErrVersion], [*mechanism.PeerError] or [mechanism.ErrAuthentication].
type HandshakeError struct {
	Stage  Stage
	Kind   Kind
	Peer   string // the peer's network address
	Silent bool   // the peer, which had connected to this end, has sent nothing at all
	Err    error  // the cause; never nil
}

// Error says with whom the handshake failed, where, and why.
func (e *HandshakeError) Error() string {
	return fmt.Sprintf("handshake with %s failed in its %s stage: %v", e.Peer, e.Stage, e.Err)
}

// Unwrap returns the cause.
func (e *HandshakeError) Unwrap() error { return e.Err }

// Fatal reports that the peer itself refused this end by an ERROR command, or that
// credentials were not accepted. The same settings must then not be tried again at
// once (RFC 37, "Error Handling"); after every other failure a reconnect is in order.
func (e *HandshakeError) Fatal() bool {
	_, refused := e.Reason()
	return refused || e.Kind == KindAuthentication
}

// Reason is what the peer gave as its reason in an ERROR command, which may be
// empty, and whether there was such a command.
func (e *HandshakeError) Reason() (reason string, refused bool) {
	var peer *mechanism.PeerError
	if !errors.As(e.Err, &peer) {
		return "", false
	}
	return peer.Reason, true
}
