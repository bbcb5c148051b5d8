package mechanism

import (
	"context"
	"errors"

	"github.com/experimance/experimance-go/internal/wire"
)

// NullServer secures nothing, but asks about each peer that connects to the socket,
// whose network address is all that can be trusted. Peers to which the socket itself
// connects are not asked about. The peer uses no security at all.
type NullServer struct {
	// Authenticator decides about peers. Required.
	Authenticator Authenticator

	// Domain is handed to the Authenticator. Empty by default.
	Domain string
}

var (
	_ Security      = NullServer{}
	_ Authenticated = (*nullServer)(nil)
)

// Factory refuses settings without an Authenticator.
func (s NullServer) Factory() (func(Params) Mechanism, error) {
	if s.Authenticator == nil {
		return nil, errors.New("NullServer.Authenticator is nil: give one, or no security at all")
	}
	g := gate{s.Domain, s.Authenticator}
	return func(params Params) Mechanism {
		if !params.Server {
			return NewNull(params)
		}
		return &nullServer{Null: *NewNull(params), gate: g}
	}, nil
}

// nullServer says READY only to a peer that is let in.
type nullServer struct {
	Null

	gate gate
	user User
}

// Handle takes what [Null.Handle] takes, and asks before it answers.
func (s *nullServer) Handle(ctx context.Context, command []byte) (reply []byte, done bool, err error) {
	ready, done, err := s.Null.Handle(ctx, command)
	if err != nil {
		return ready, done, err
	}
	s.user, reply, err = s.gate.admit(ctx, s.params.Peer, AuthRequest{Mechanism: s.Name(), Identity: identity(s.metadata)})
	if err != nil {
		return reply, false, err
	}
	return ready, true, nil
}

// User is who the peer was found to be.
func (s *nullServer) User() User { return s.user }

// identity is the one that a peer claims, nil for none.
func identity(props wire.Properties) []byte {
	if id, _ := props.Get(wire.PropertyIdentity); len(id) > 0 {
		return id
	}
	return nil
}
