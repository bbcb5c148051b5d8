package mechanism

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/experimance/experimance-go/internal/wire"
)

// CurveClient connects to a [CurveServer] whose public key it knows, proves that it owns
// a key pair, and encrypts and authenticates everything that both say (RFC 26). Each
// connection has fresh keys: who learns the long-term ones later cannot read it.
type CurveClient struct {
	// Keys is the pair by whose public key the server knows this client. Required.
	Keys KeyPair

	// ServerKey is the public key of the server. Required.
	ServerKey PublicKey
}

var (
	_ Security  = CurveClient{}
	_ Explainer = (*curveClient)(nil)
)

// Factory refuses settings without both keys.
func (c CurveClient) Factory() (func(Params) Mechanism, error) {
	if c.Keys.IsZero() {
		return nil, fmt.Errorf("CurveClient.Keys %w", errNoKeys)
	}
	if c.ServerKey == (PublicKey{}) {
		return nil, errors.New("CurveClient.ServerKey is empty: give the server's public key")
	}
	if _, err := newBoxKey(c.Keys.key(), c.ServerKey[:]); err != nil {
		return nil, fmt.Errorf("CurveClient.ServerKey is nobody's public key: %w", err)
	}
	return func(params Params) Mechanism {
		return &curveClient{params: params, settings: c, dialogue: dialogue{"CURVE client", commandWelcome}}
	}, nil
}

// curveClient is named as in RFC 26: C, c are the client's long-term keys, S the
// server's, and C', c', S' those of the connection.
type curveClient struct {
	params   Params
	settings CurveClient // c, S
	dialogue dialogue
	pair     KeyPair // C', c'
	hello    *boxKey // of C' and S
	metadata wire.Properties
	box      *boxKey // of C' and S'
	sealer   Sealer
}

// The client's short nonces of the handshake. MESSAGE goes on from there.
const (
	clientHelloNonce = 1 + iota
	clientInitiateNonce
)

// Name is CURVE.
func (*curveClient) Name() string { return curveName }

// AsServer is false.
func (*curveClient) AsServer() bool { return false }

// Start returns HELLO: C' and a box that only the owner of c' can have made and only
// the owner of S can open.
func (c *curveClient) Start() []byte {
	c.pair = newTransient()
	var err error
	if c.hello, err = newBoxKey(c.pair.key(), c.settings.ServerKey[:]); err != nil {
		panic("mechanism: " + err.Error()) // Factory has found the key good
	}
	public := c.pair.Public()
	body := append(make([]byte, 0, helloSize), 1, 0) // version 1.0
	body = append(body, make([]byte, helloPadding)...)
	body = append(body, public[:]...)
	body = binary.BigEndian.AppendUint64(body, clientHelloNonce)
	body = c.hello.seal(body, countedNonce(nonceHello, clientHelloNonce), make([]byte, helloZeros))
	return wire.AppendCommand(nil, commandHello, body)
}

// Handle takes WELCOME, then READY, and ERROR instead of either.
func (c *curveClient) Handle(_ context.Context, command []byte) (reply []byte, done bool, err error) {
	name, data, err := c.dialogue.take(command)
	switch {
	case err != nil:
		return nil, false, err
	case name == commandWelcome:
		reply, err = c.welcome(data)
		return reply, false, err
	default:
		err = c.ready(data)
		return nil, err == nil, err
	}
}

// welcome takes S' and the cookie, and replies with the cookie, C, a voucher by C for
// C', and the metadata.
func (c *curveClient) welcome(data []byte) (reply []byte, err error) {
	if err := checkSize(commandWelcome, data, len(data) == welcomeSize); err != nil {
		return nil, err
	}
	plain, err := c.hello.open(drawnNonce(nonceWelcome, data[:randomNonce]), data[randomNonce:])
	if err != nil {
		return nil, fmt.Errorf("%w: peer's WELCOME is not from the server with the key %s: %w",
			ErrAuthentication, c.settings.ServerKey, err)
	}
	server, cookie := plain[:curveKey], plain[curveKey:]
	if c.box, err = newBoxKey(c.pair.key(), server); err != nil {
		return nil, fmt.Errorf("%s: %w", commandWelcome, err)
	}
	vouch, err := c.vouch(server)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", commandWelcome, err)
	}
	public := c.settings.Keys.Public()
	plain = slices.Concat(public[:], vouch, c.params.Metadata)
	body := append(make([]byte, 0, initiateSize+len(c.params.Metadata)), cookie...)
	body = binary.BigEndian.AppendUint64(body, clientInitiateNonce)
	body = c.box.seal(body, countedNonce(nonceInitiate, clientInitiateNonce), plain)
	c.dialogue.due = wire.CommandReady
	return wire.AppendCommand(nil, commandInitiate, body), nil
}

// vouch is the proof that C' belongs to the owner of c, for the server S alone.
func (c *curveClient) vouch(server []byte) ([]byte, error) {
	key, err := newBoxKey(c.settings.Keys.key(), server)
	if err != nil {
		return nil, err
	}
	transient := c.pair.Public()
	random := newNonce()
	return key.seal(random, drawnNonce(nonceVouch, random), slices.Concat(transient[:], c.settings.ServerKey[:])), nil
}

// ready takes the server's metadata.
func (c *curveClient) ready(data []byte) error {
	if err := checkSize(wire.CommandReady, data, len(data) >= readySize); err != nil {
		return err
	}
	count := binary.BigEndian.Uint64(data)
	plain, err := c.box.open(countedNonce(nonceReady, count), data[shortNonce:])
	if err != nil {
		return fmt.Errorf("%s: %w", wire.CommandReady, err)
	}
	props, err := parseMetadata(wire.CommandReady, plain)
	if err == nil {
		err = c.params.check(props)
	}
	if err != nil {
		return err // the server has begun with the traffic: nothing more to say to it
	}
	c.metadata = props
	c.sealer = newCurveSealer(c.box, thread{nonceMessageClient, clientInitiateNonce}, thread{nonceMessageServer, count})
	return nil
}

// Awaits returns WELCOME or READY.
func (c *curveClient) Awaits() (command, causes string) {
	if c.dialogue.due == wire.CommandReady {
		return wire.CommandReady, unready + ", or not be able to check this client's key at present"
	}
	return commandWelcome, fmt.Sprintf("the server's key is likely to be another one than %s, or the peer is a client, too", c.settings.ServerKey)
}

// Metadata is what the server's READY said.
func (c *curveClient) Metadata() wire.Properties { return c.metadata }

// Sealer encrypts what this end says, and decrypts what the server says.
func (c *curveClient) Sealer() Sealer { return c.sealer }
