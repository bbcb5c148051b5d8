package mechanism

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/experimance/experimance-go/internal/wire"
)

// CurveServer lets in peers, which use [CurveClient], by their public keys, and encrypts
// and authenticates everything that both say (RFC 26). Peers must know the server's
// public key. Each connection has fresh keys: who learns the long-term ones later cannot
// read it.
//
// At least one of Clients and Authenticator is required. A peer must please both where
// both are set. To let in everybody who knows the server's key, set [AllowAny].
type CurveServer struct {
	// Keys is the pair whose public key the clients know. Required.
	Keys KeyPair

	// Clients is the set of public keys that may connect. It may be changed at any
	// time; the connections of a key that is removed end. Nil leaves the decision to the
	// Authenticator.
	Clients *KeySet

	// Authenticator decides about each client. Nil leaves the decision to Clients.
	Authenticator Authenticator

	// Domain is handed to the Authenticator. Empty by default.
	Domain string
}

var (
	_ Security      = CurveServer{}
	_ Explainer     = (*curveServer)(nil)
	_ Authenticated = (*curveServer)(nil)
)

// Factory refuses settings without keys, or without anything that tells who may connect.
func (s CurveServer) Factory() (func(Params) Mechanism, error) {
	if s.Keys.IsZero() {
		return nil, fmt.Errorf("CurveServer.Keys %w", errNoKeys)
	}
	if s.Clients == nil && s.Authenticator == nil {
		return nil, errors.New("CurveServer.Clients and Authenticator are nil: say who may connect, or set AllowAny")
	}
	g := gate{s.Domain, s.judge()}
	return func(params Params) Mechanism {
		return &curveServer{params: params, keys: s.Keys, gate: g, dialogue: dialogue{"CURVE server", commandHello}}
	}, nil
}

// judge puts Clients in front of Authenticator.
func (s CurveServer) judge() Authenticator {
	if s.Clients == nil {
		return s.Authenticator
	}
	return func(ctx context.Context, r AuthRequest) (Decision, error) {
		membership := s.Clients.membership(r.PublicKey)
		if membership == nil {
			return Refuse("its key is not among the allowed ones"), nil
		}
		d := Accept("")
		if s.Authenticator != nil {
			var err error
			if d, err = s.Authenticator(ctx, r); err != nil {
				return d, err
			}
		}
		d.membership = membership
		return d, nil
	}
}

// curveServer is named as in RFC 26: S, s are the server's long-term keys, C the
// client's, and S', s', C' those of the connection. Between WELCOME and INITIATE it
// keeps S', s' and C' in the cookie alone, which the client has. The cookie's key is
// known to this one connection, so a recorded INITIATE is worth nothing on another.
type curveServer struct {
	params   Params
	keys     KeyPair // S, s
	gate     gate
	dialogue dialogue
	cookie   boxKey
	received uint64 // the client's last short nonce
	user     User
	metadata wire.Properties
	sealer   Sealer
}

// serverReadyNonce is the server's short nonce in READY. MESSAGE goes on from there.
const serverReadyNonce = 1

// Name is CURVE.
func (*curveServer) Name() string { return curveName }

// AsServer is true. That of libzmq is not, and nobody relies on it.
func (*curveServer) AsServer() bool { return true }

// Start waits for the client.
func (*curveServer) Start() []byte { return nil }

// Handle takes HELLO, then INITIATE, and ERROR instead of either.
func (s *curveServer) Handle(ctx context.Context, command []byte) (reply []byte, done bool, err error) {
	name, data, err := s.dialogue.take(command)
	switch {
	case err != nil:
		return nil, false, err
	case name == commandHello:
		reply, err = s.hello(data)
		return reply, false, err
	default:
		reply, err = s.initiate(ctx, data)
		return reply, err == nil, err
	}
}

// hello takes C', and replies with S' and the cookie.
func (s *curveServer) hello(data []byte) (reply []byte, err error) {
	if err := checkSize(commandHello, data, len(data) == helloSize); err != nil {
		return nil, err
	}
	if data[0] != 1 || data[1] != 0 {
		return nil, fmt.Errorf("peer speaks CurveZMQ %d.%d: only 1.0 is known", data[0], data[1])
	}
	padding, data := data[2:][:helloPadding], data[2+helloPadding:]
	if !bytes.Equal(padding, make([]byte, helloPadding)) {
		return nil, errors.New("peer's HELLO has something else than zeros for padding")
	}
	client, data := data[:curveKey], data[curveKey:]
	key, err := newBoxKey(s.keys.key(), client)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", commandHello, err)
	}
	s.received = binary.BigEndian.Uint64(data)
	plain, err := key.open(countedNonce(nonceHello, s.received), data[shortNonce:])
	if err != nil || subtle.ConstantTimeCompare(plain, make([]byte, helloZeros)) == 0 {
		return nil, fmt.Errorf("%w: peer expects another server key than %s: its HELLO cannot be opened",
			ErrAuthentication, s.keys.Public())
	}
	transient := newTransient()
	public := transient.Public()
	random := newNonce()
	plain = slices.Concat(public[:], s.newCookie(client, transient))
	body := key.seal(random, drawnNonce(nonceWelcome, random), plain)
	s.dialogue.due = commandInitiate
	return wire.AppendCommand(nil, commandWelcome, body), nil
}

// newCookie makes the cookie that holds C' and s'.
func (s *curveServer) newCookie(client []byte, transient KeyPair) []byte {
	_, _ = rand.Read(s.cookie[:]) // does not fail, see newNonce
	random := newNonce()
	return s.cookie.seal(random, drawnNonce(nonceCookie, random), slices.Concat(client, transient.key().Bytes()))
}

// initiate takes the cookie, C with its voucher for C', and the metadata; asks whether
// C may connect; and replies with its own metadata.
func (s *curveServer) initiate(ctx context.Context, data []byte) (reply []byte, err error) {
	if err := checkSize(commandInitiate, data, len(data) >= initiateSize); err != nil {
		return nil, err
	}
	client, transient, err := s.openCookie(data[:cookieSize])
	if err != nil {
		return nil, err
	}
	data = data[cookieSize:]
	count := binary.BigEndian.Uint64(data)
	if count <= s.received {
		return nil, fmt.Errorf("%s: %w", commandInitiate, errReplayed)
	}
	box, err := newBoxKey(transient, client)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", commandInitiate, err)
	}
	plain, err := box.open(countedNonce(nonceInitiate, count), data[shortNonce:])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", commandInitiate, err)
	}
	public, vouch, metadata := plain[:curveKey], plain[curveKey:][:vouchSize], plain[curveKey+vouchSize:]
	if err := s.checkVouch(transient, public, vouch, client); err != nil {
		return nil, err
	}
	if reply, err := s.judge(ctx, PublicKey(public), metadata); err != nil {
		return reply, err
	}
	s.sealer = newCurveSealer(box, thread{nonceMessageServer, serverReadyNonce}, thread{nonceMessageClient, count})
	body := binary.BigEndian.AppendUint64(nil, serverReadyNonce)
	body = box.seal(body, countedNonce(nonceReady, serverReadyNonce), s.params.Metadata)
	return wire.AppendCommand(nil, wire.CommandReady, body), nil
}

// openCookie opens the cookie, once.
func (s *curveServer) openCookie(cookie []byte) (client []byte, transient *ecdh.PrivateKey, err error) {
	plain, err := s.cookie.open(drawnNonce(nonceCookie, cookie[:randomNonce]), cookie[randomNonce:])
	s.cookie = boxKey{}
	if err != nil {
		return nil, nil, errors.New("peer's INITIATE has a cookie that is not of this connection")
	}
	transient, err = ecdh.X25519().NewPrivateKey(plain[curveKey:])
	return plain[:curveKey], transient, err
}

// checkVouch finds out whether the owner of C vouches for C' towards S.
func (s *curveServer) checkVouch(transient *ecdh.PrivateKey, public, vouch, client []byte) error {
	key, err := newBoxKey(transient, public)
	if err != nil {
		return fmt.Errorf("%s: %w", commandInitiate, err)
	}
	server := s.keys.Public()
	plain, err := key.open(drawnNonce(nonceVouch, vouch[:randomNonce]), vouch[randomNonce:])
	if err != nil || subtle.ConstantTimeCompare(plain, slices.Concat(client, server[:])) == 0 {
		return fmt.Errorf("%w: peer does not prove that the key %s is its own", ErrAuthentication, PublicKey(public))
	}
	return nil
}

// judge asks about a client that has proved to be the owner of C, and looks at what it
// says about itself.
func (s *curveServer) judge(ctx context.Context, public PublicKey, metadata []byte) (reply []byte, err error) {
	props, err := parseMetadata(commandInitiate, metadata)
	if err != nil {
		return nil, err
	}
	s.user, reply, err = s.gate.admit(ctx, s.params.Peer,
		AuthRequest{Mechanism: curveName, PublicKey: public, Identity: identity(props)})
	if err != nil {
		return reply, err
	}
	if err := s.params.check(props); err != nil {
		return wire.AppendError(nil, err.Error()), err
	}
	s.metadata = props
	return nil, nil
}

// Awaits returns HELLO or INITIATE.
func (s *curveServer) Awaits() (command, causes string) { return s.dialogue.awaits() }

// Metadata is what the client's INITIATE said.
func (s *curveServer) Metadata() wire.Properties { return s.metadata }

// Sealer encrypts what this end says, and decrypts what the client says.
func (s *curveServer) Sealer() Sealer { return s.sealer }

// User is who the client was found to be.
func (s *curveServer) User() User { return s.user }
