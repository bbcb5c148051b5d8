package mechanism

import (
	"context"
	"errors"
	"fmt"

	"github.com/experimance/experimance-go/internal/wire"
)

// PlainServer asks peers, which use [PlainClient], for a username and a password
// (RFC 24). Both and all messages travel in the clear: use it within networks that are
// trusted, and [CurveServer] elsewhere.
type PlainServer struct {
	// Authenticator decides about the credentials. Required; [Passwords] makes one.
	Authenticator Authenticator

	// Domain is handed to the Authenticator. Empty by default.
	Domain string
}

var (
	_ Security      = PlainServer{}
	_ Explainer     = (*plainServer)(nil)
	_ Authenticated = (*plainServer)(nil)
)

// Factory refuses settings without an Authenticator.
func (s PlainServer) Factory() (func(Params) Mechanism, error) {
	if s.Authenticator == nil {
		return nil, errors.New("PlainServer.Authenticator is nil: give one, such as that of Passwords")
	}
	g := gate{s.Domain, s.Authenticator}
	return func(params Params) Mechanism {
		return &plainServer{params: params, gate: g, dialogue: dialogue{"PLAIN server", commandHello}}
	}, nil
}

type plainServer struct {
	params   Params
	gate     gate
	dialogue dialogue
	user     User
	metadata wire.Properties
}

// Name is PLAIN.
func (*plainServer) Name() string { return plainName }

// AsServer is true.
func (*plainServer) AsServer() bool { return true }

// Start waits for the client.
func (*plainServer) Start() []byte { return nil }

// Handle takes HELLO, then INITIATE, and ERROR instead of either. To clients of libzmq
// up to 4.3.4, which misspell ERROR in PLAIN, the ERROR that refuses them is a violation
// of the protocol; they give up in both cases.
func (s *plainServer) Handle(ctx context.Context, command []byte) (reply []byte, done bool, err error) {
	name, data, err := s.dialogue.take(command)
	switch {
	case err != nil:
		return nil, false, err
	case name == commandHello:
		return s.hello(ctx, data)
	default:
		return s.initiate(data)
	}
}

func (s *plainServer) hello(ctx context.Context, data []byte) (reply []byte, done bool, err error) {
	username, data, err := cutPlain("username", data)
	if err != nil {
		return nil, false, err
	}
	password, data, err := cutPlain("password", data)
	if err != nil {
		return nil, false, err
	}
	if len(data) > 0 {
		return nil, false, fmt.Errorf("peer's HELLO has %d bytes too many", len(data))
	}
	s.user, reply, err = s.gate.admit(ctx, s.params.Peer, AuthRequest{Mechanism: plainName, Username: username, Password: password})
	if err != nil {
		return reply, false, err
	}
	s.dialogue.due = commandInitiate
	return wire.AppendCommand(nil, commandWelcome), false, nil
}

// cutPlain cuts a string off the front of a HELLO's data.
func cutPlain(what string, data []byte) (s string, rest []byte, err error) {
	if len(data) == 0 || len(data) < 1+int(data[0]) {
		return "", nil, fmt.Errorf("peer's HELLO is cut off in the %s", what)
	}
	end := 1 + int(data[0])
	return string(data[1:end]), data[end:], nil
}

func (s *plainServer) initiate(data []byte) (reply []byte, done bool, err error) {
	props, err := parseMetadata(commandInitiate, data)
	if err != nil {
		return nil, false, err
	}
	if err := s.params.check(props); err != nil {
		return wire.AppendError(nil, err.Error()), false, err
	}
	s.metadata = props
	return wire.AppendCommand(nil, wire.CommandReady, s.params.Metadata), true, nil
}

// Awaits returns HELLO or INITIATE.
func (s *plainServer) Awaits() (command, causes string) { return s.dialogue.awaits() }

// Metadata is what the client's INITIATE said.
func (s *plainServer) Metadata() wire.Properties { return s.metadata }

// Sealer is nil: frames travel as they are.
func (*plainServer) Sealer() Sealer { return nil }

// User is who the client was found to be.
func (s *plainServer) User() User { return s.user }
