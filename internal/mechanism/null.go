package mechanism

import (
	"bytes"
	"context"
	"fmt"

	"github.com/experimance/experimance-go/internal/wire"
)

// Null is the mechanism without authentication and confidentiality (RFC 37,
// "The NULL Security Mechanism"). The end that connected sends READY with its
// metadata at once, as RFC 23 has it and libzmq does it. The end that accepted
// answers with its own when it has found the peer's good, so that a peer that it
// does not take never sees a READY.
type Null struct {
	params   Params
	metadata wire.Properties
}

var _ Explainer = (*Null)(nil)

// NewNull returns the NULL mechanism of one connection.
func NewNull(params Params) *Null {
	return &Null{params: params}
}

// Name is NULL.
func (*Null) Name() string { return "NULL" }

// AsServer is false: for NULL the greeting's field must be zero.
func (*Null) AsServer() bool { return false }

// Start returns READY, or nothing at the end that accepted.
func (n *Null) Start() []byte {
	if n.params.Server {
		return nil
	}
	return n.readyCommand()
}

func (n *Null) readyCommand() []byte {
	return wire.AppendCommand(nil, wire.CommandReady, n.params.Metadata)
}

// Awaits returns READY.
func (n *Null) Awaits() (command, causes string) {
	if n.params.Server {
		return wire.CommandReady, ""
	}
	return wire.CommandReady, unready
}

// Handle takes READY or ERROR. Any other command is an error, since the grammar of
// the handshake has no place for it; libzmq takes it the same way. Metadata that
// cannot be decoded ends the handshake without a word, metadata that Check refuses
// with an ERROR, as RFC 37 asks for ("The Socket-Type Property").
func (n *Null) Handle(_ context.Context, command []byte) (reply []byte, done bool, err error) {
	name, data, err := wire.ParseCommand(command)
	if err != nil {
		return nil, false, err
	}
	switch string(name) {
	case wire.CommandReady:
		return n.ready(data)
	case wire.CommandError:
		return nil, false, peerError(data)
	default:
		return nil, false, fmt.Errorf("peer sent the command %q where the NULL mechanism expects READY", name)
	}
}

func (n *Null) ready(data []byte) (reply []byte, done bool, err error) {
	props, err := wire.ParseProperties(bytes.Clone(data))
	if err != nil {
		return nil, false, fmt.Errorf("READY: %w", err)
	}
	if n.params.Check != nil {
		if err := n.params.Check(props); err != nil {
			return wire.AppendError(nil, err.Error()), false, err
		}
	}
	n.metadata = props
	if n.params.Server {
		reply = n.readyCommand()
	}
	return reply, true, nil
}

func peerError(data []byte) error {
	reason, err := wire.ParseError(data)
	if err != nil {
		return fmt.Errorf("%w: %w", &PeerError{}, err)
	}
	return &PeerError{Reason: reason}
}

// Metadata is what the peer's READY said.
func (n *Null) Metadata() wire.Properties { return n.metadata }

// Sealer is nil: frames travel as they are.
func (*Null) Sealer() Sealer { return nil }
