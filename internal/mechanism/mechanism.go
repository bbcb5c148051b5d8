package mechanism

import (
	"context"

	"github.com/experimance/experimance-go/internal/wire"
)

// Mechanism is one end of a security handshake (RFC 37, "Authentication and
// Confidentiality").
type Mechanism interface {
	// Name is the mechanism's name in the greeting. Both ends must say the same.
	Name() string

	// AsServer is the role that the greeting announces: false for mechanisms
	// that know no roles.
	AsServer() bool

	// Start returns the command frames that this end sends without waiting for
	// the peer; nil for an end that waits to be spoken to. It is called once,
	// when the greetings have been found to agree.
	Start() []byte

	// Handle takes the body of a command frame of the peer, which is valid
	// during the call only. It returns the command frames to send in reply, and
	// whether the handshake is complete once they are sent. With an error the
	// handshake has failed; the reply, where there is one, is the ERROR command
	// that tells the peer. The context bounds what a decision may wait for, such
	// as an authenticator's answer.
	Handle(ctx context.Context, command []byte) (reply []byte, done bool, err error)

	// Metadata is what the peer said about itself. It is complete when Handle
	// has reported done.
	Metadata() wire.Properties

	// Sealer protects the frames that follow the handshake. Nil means that they
	// travel as they are.
	Sealer() Sealer
}

// Explainer is a Mechanism that can tell what a peer may object to that ends the
// handshake without a word.
type Explainer interface {
	Mechanism

	// Awaits returns the name of the peer's command that is due, and the likely causes if
	// the peer does not send it, as the end of a sentence; empty if there is no likely one.
	Awaits() (command, causes string)
}

// Sealer turns frames into protected ones and back, in the order in which they
// travel. One goroutine may seal while another opens.
type Sealer interface {
	// Seal appends to dst the whole frame that carries a frame of these flags
	// and body. Its body is longer by [CurveOverhead]. After an error, which is
	// beside nil, nothing more can be sealed and the connection must end.
	Seal(dst []byte, flags byte, body []byte) ([]byte, error)

	// Open appends to dst the whole frame that a peer's frame of these flags and
	// body carries, or returns nil and an error. The frame is shorter than body by
	// CurveOverhead and longer by its own header. Body must not share memory with
	// dst, unless the opened body comes to lie exactly on the last bytes of body:
	// when dst is empty and begins a header's size before body[CurveOverhead:], the
	// frame is opened in place. Body is then no longer valid, not even after an
	// error.
	Open(dst []byte, flags byte, body []byte) ([]byte, error)
}

// Params is what a mechanism needs to know of its connection.
type Params struct {
	// Server is the end's role: true for the end that bound. Mechanisms whose
	// roles are configured ignore it.
	Server bool

	// Peer is the peer's network address, for authenticators and errors.
	Peer string

	// Metadata is what this end says about itself, encoded as by
	// [wire.Properties.Append].
	Metadata []byte

	// Check judges the peer's metadata, before the peer is told that it is
	// accepted where the mechanism has such a moment. Nil accepts all.
	Check func(wire.Properties) error
}
