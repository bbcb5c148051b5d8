package mechanism

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/experimance/experimance-go/internal/wire"
)

const plainName = "PLAIN"

// maxPlain is the length in bytes of the longest username and password (RFC 24).
const maxPlain = 255

// PlainClient shows a username and a password to a [PlainServer] (RFC 24). They and all
// messages travel in the clear, and the client does not learn who the server is: use it
// within networks that are trusted, and [CurveClient] elsewhere.
type PlainClient struct {
	Username string // at most 255 bytes
	Password string // at most 255 bytes
}

var (
	_ Security  = PlainClient{}
	_ Explainer = (*plainClient)(nil)
)

// String tells the username alone.
func (c PlainClient) String() string { return fmt.Sprintf("PLAIN client %q", c.Username) }

// Factory refuses a username or password that is too long.
func (c PlainClient) Factory() (func(Params) Mechanism, error) {
	if n := len(c.Username); n > maxPlain {
		return nil, fmt.Errorf("PlainClient.Username has %d bytes: give at most %d", n, maxPlain)
	}
	if n := len(c.Password); n > maxPlain {
		return nil, fmt.Errorf("PlainClient.Password has %d bytes: give at most %d", n, maxPlain)
	}
	return func(params Params) Mechanism {
		return &plainClient{params: params, settings: c, dialogue: dialogue{"PLAIN client", commandWelcome}}
	}, nil
}

type plainClient struct {
	params   Params
	settings PlainClient
	dialogue dialogue
	metadata wire.Properties
}

// Name is PLAIN.
func (*plainClient) Name() string { return plainName }

// AsServer is false.
func (*plainClient) AsServer() bool { return false }

// Start returns HELLO.
func (c *plainClient) Start() []byte {
	var body []byte
	for _, s := range []string{c.settings.Username, c.settings.Password} {
		body = append(append(body, byte(len(s))), s...)
	}
	return wire.AppendCommand(nil, commandHello, body)
}

// misspeltError is what libzmq 4.3.4 and others before it write in PLAIN where the name
// ERROR and its length belong.
const misspeltError = "^RROR"

// Handle takes WELCOME, then READY, and ERROR instead of either.
func (c *plainClient) Handle(_ context.Context, command []byte) (reply []byte, done bool, err error) {
	if data, ok := bytes.CutPrefix(command, []byte(misspeltError)); ok && c.dialogue.due != "" {
		c.dialogue.due = ""
		return nil, false, peerError(data)
	}
	name, data, err := c.dialogue.take(command)
	switch {
	case err != nil:
		return nil, false, err
	case name == commandWelcome:
		return c.welcome(data)
	default:
		return c.ready(data)
	}
}

func (c *plainClient) welcome(data []byte) (reply []byte, done bool, err error) {
	if len(data) > 0 {
		return nil, false, errors.New("peer's WELCOME has a body, which that of PLAIN has not")
	}
	c.dialogue.due = wire.CommandReady
	return wire.AppendCommand(nil, commandInitiate, c.params.Metadata), false, nil
}

func (c *plainClient) ready(data []byte) (reply []byte, done bool, err error) {
	props, err := parseMetadata(wire.CommandReady, data)
	if err == nil {
		err = c.params.check(props)
	}
	if err != nil {
		return nil, false, err // the server has begun with the traffic: nothing more to say to it
	}
	c.metadata = props
	return nil, true, nil
}

// Awaits returns WELCOME or READY.
func (c *plainClient) Awaits() (command, causes string) {
	if c.dialogue.due == wire.CommandReady {
		return wire.CommandReady, unready
	}
	return commandWelcome, "it may be a client, too, or not be able to check credentials at present"
}

// Metadata is what the server's READY said.
func (c *plainClient) Metadata() wire.Properties { return c.metadata }

// Sealer is nil: frames travel as they are.
func (*plainClient) Sealer() Sealer { return nil }
