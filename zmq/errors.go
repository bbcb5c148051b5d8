package zmq

import (
	"errors"
	"fmt"
	"net"

	"github.com/experimance/experimance-go/internal/zmtp"
)

// ErrClosed is what calls on a closed socket fail with, those included that were blocked when it was closed.
// errors.Is(err, net.ErrClosed) holds for it.
var ErrClosed = fmt.Errorf("zmq: socket closed: %w", net.ErrClosed)

// ErrDrained is what Recv fails with when Drain has ended and everything that came was handed out, and Bind and Connect when a
// Drain has begun. errors.Is(err, ErrClosed) holds for it, so that a loop that ends with the socket ends here too.
var ErrDrained error = drainedError{}

type drainedError struct{}

// Error says that nothing more will come.
func (drainedError) Error() string { return "zmq: socket drained: nothing more will come" }

// Is makes the error an ErrClosed.
func (drainedError) Is(target error) bool { return target == ErrClosed || target == net.ErrClosed }

// ErrLimit is in each error that says that a peer went beyond a limit of Config: errors.Is(err,
// ErrLimit). The error is the cause in the event of the end of that peer's connection. The peer
// only sees its connection end: an ERROR command would be final for it (RFC 37, "Error Handling").
var ErrLimit = errors.New("zmq: a limit of Config was reached")

// limitError is an ErrLimit in words of its own.
type limitError struct{ text string }

// Error names the field of Config.
func (e *limitError) Error() string { return e.text }

// Is makes the error an ErrLimit.
func (e *limitError) Is(target error) bool { return target == ErrLimit }

// ErrMessageTooLarge is what Send returns for a message over Config.MaxMessageSize; nothing of it was sent. It is also why
// a peer is disconnected that sends one.
var ErrMessageTooLarge error = &limitError{"zmq: message larger than Config.MaxMessageSize"}

// ErrTooManySubscriptions is why a peer is disconnected that sends a PUB socket more subscriptions, or a PUB or PUSH socket
// a larger frame, than Config.MaxSubscriptionBytes allows.
var ErrTooManySubscriptions error = &limitError{"zmq: peer sent more than Config.MaxSubscriptionBytes"}

// ErrTooManyHandshakes is why a connection is closed in its handshake, when another one came in and there were as many as
// Config.MaxHandshakes allows, or no descriptor was left.
var ErrTooManyHandshakes error = &limitError{"zmq: more peers in their handshake than Config.MaxHandshakes"}

// ErrKeyRemoved is the reason for the end of a connection: the peer's key was removed from the KeySet that had let it in.
var ErrKeyRemoved = errors.New("zmq: the peer's key was removed from the KeySet")

// ErrTooManyPeers is why a peer was refused that came when the socket had as many as Config.MaxPeers allows. The peer is not
// told; it sees the connection end and tries again.
var ErrTooManyPeers error = &limitError{"zmq: as many peers as Config.MaxPeers allows"}

// ErrNoPeer is in the error of a Send that its context ended while no peer could take the message.
var ErrNoPeer = errors.New("no peer could take the message")

// ErrWouldDrop is what Send of a PUB or XPUB with Config.NoDrop returns when a peer's queue is full. The message was sent
// to nobody.
var ErrWouldDrop = errors.New("zmq: a peer's queue is full; try again later, or let messages be dropped")

// ErrUnroutable is what Send of a ROUTER with Config.Mandatory returns when no peer has the routing id.
var ErrUnroutable = errors.New("zmq: no peer has this routing id")

// ErrState is what a REQ or REP returns for a call out of turn: a request must be followed by its reply (RFC 28).
var ErrState = errors.New("zmq: call out of turn")

// ErrPeerGone is what Recv of a REQ returns when the peer that had the request went away. Whether it obeyed the request is
// not known; the socket does not send it again. The next request may be sent. If the socket has an Identity, set
// Config.Correlate: else a reply that a ROUTER sends late, to the same identity, is taken for that to the next request.
var ErrPeerGone = errors.New("zmq: the peer went away with the request")

// ErrMultipart is what Send returns for a message of several frames on a socket with Config.Conflate.
var ErrMultipart = errors.New("zmq: a socket with Config.Conflate has messages of one frame only")

// ConfigError is a Config field that NewPub and its sisters refuse.
type ConfigError struct {
	Field  string // name of the field in Config
	Reason string // what is wrong with its value, and what would be right
}

// Error names the field and what would be right.
func (e *ConfigError) Error() string { return "zmq: Config." + e.Field + ": " + e.Reason }

// HandshakeKind classifies failed handshakes.
type HandshakeKind string

// The kinds of failed handshake, after those of libzmq's socket monitor.
const (
	HandshakeNetwork        HandshakeKind = "network"        // the connection ended, perhaps since the peer takes no others, or the time was up
	HandshakeProtocol       HandshakeKind = "protocol"       // the peer speaks something else, or does not suit the socket
	HandshakeAuthentication HandshakeKind = "authentication" // one side did not accept the other's credentials
)

// The stages of a handshake, in their order.
const (
	StageGreeting HandshakeStage = "greeting" // both ends tell their versions and security mechanisms
	StageSecurity HandshakeStage = "security" // the mechanism's commands are exchanged, with socket types and identities
)

// HandshakeStage is the part of a handshake in which it failed.
type HandshakeStage string

// HandshakeError is the cause in an event of the kind EventHandshakeFailed. If the peer told no
// reason, as libzmq does not for another mechanism, another server key or a socket type that does
// not fit, the text names the likely causes.
type HandshakeError struct {
	Kind    HandshakeKind
	Stage   HandshakeStage // empty over inproc
	Refused bool           // the peer itself said that it does not want us
	Silent  bool           // the peer had connected to this socket and sent nothing: a port scan, or a health check
	Err     error          // the cause
}

// Error tells with whom the handshake failed, and why.
func (e *HandshakeError) Error() string { return "zmq: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *HandshakeError) Unwrap() error { return e.Err }

// newHandshakeError gives the error of a handshake its public form.
func newHandshakeError(err error) *HandshakeError {
	e := &HandshakeError{Kind: HandshakeNetwork, Err: err}
	var inner *zmtp.HandshakeError
	if errors.As(err, &inner) {
		e.Kind, e.Stage, e.Silent = HandshakeKind(inner.Kind), HandshakeStage(inner.Stage), inner.Silent
		_, e.Refused = inner.Reason()
	}
	return e
}

// OpError is a call on a socket that failed.
type OpError struct {
	Op       string // the method: "bind", "connect", "send", ...
	Socket   string // the socket's type: "PUB", "PULL", ...
	Endpoint string // the endpoint that the call was about, or ""
	Err      error  // the cause
}

// Error tells what was tried, on what, and why it failed.
func (e *OpError) Error() string {
	if e.Endpoint == "" {
		return fmt.Sprintf("zmq: %s %s: %v", e.Socket, e.Op, e.Err)
	}
	return fmt.Sprintf("zmq: %s %s %s: %v", e.Socket, e.Op, e.Endpoint, e.Err)
}

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }
