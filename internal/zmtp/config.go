package zmtp

import (
	"errors"
	"fmt"
	"time"

	"github.com/experimance/experimance-go/internal/mechanism"
)

// Defaults of [Config].
const (
	DefaultTimeout    = 30 * time.Second
	DefaultMaxCommand = 64 << 10
)

// MaxIdentity is the length in bytes of the longest identity (RFC 37, "The Identity
// Property").
const MaxIdentity = 255

// Config says how one end conducts handshakes. It may be shared by any number of
// them.
type Config struct {
	// SocketType is announced to the peer: "PUB", "PULL" and so on. Required.
	SocketType string

	// Identity is announced to the peer by REQ, DEALER and ROUTER and has no
	// meaning for other types: at most [MaxIdentity] bytes, the first not zero.
	// Empty, the default, lets the peer choose.
	Identity []byte

	// Timeout bounds the whole handshake. 0 or less is [DefaultTimeout].
	Timeout time.Duration

	// MaxCommand is the size in bytes of the largest command body taken from a
	// peer during the handshake. 0 or less is [DefaultMaxCommand].
	MaxCommand int

	// Accepts says whether a peer of this socket type is welcome; the type is
	// empty for a peer that does not tell. Nil takes the types that are
	// [Compatible] with SocketType.
	Accepts func(peerType string) bool

	// Admit is asked about a peer that has passed all other checks, before it is
	// told by READY. With an error the handshake fails, and the peer is told
	// nothing: neither READY nor ERROR, which would be final (RFC 37, "Error
	// Handling"), so that it may come back. Three cannot be kept from believing that
	// they were accepted: one that waits for no READY, since it has accepted the
	// connection itself, one that acts as the server of PLAIN or CURVE, and one of
	// ZMTP 2.0, which knows no READY. Nil admits all.
	Admit func(*Peer) error

	// NewMechanism makes the security mechanism of one connection. Nil is NULL.
	NewMechanism func(mechanism.Params) mechanism.Mechanism
}

// Validate reports the first field that cannot be used.
func (c *Config) Validate() error {
	if c.SocketType == "" {
		return errors.New(`zmtp: Config.SocketType is empty: give the socket's type, such as "PUB"`)
	}
	if len(c.Identity) > MaxIdentity {
		return fmt.Errorf("zmtp: Config.Identity has %d bytes: give at most %d", len(c.Identity), MaxIdentity)
	}
	if len(c.Identity) > 0 && c.Identity[0] == 0 {
		return errors.New("zmtp: Config.Identity begins with a zero byte, which is reserved: give another")
	}
	return nil
}

func (c *Config) timeout() time.Duration {
	if c.Timeout <= 0 {
		return DefaultTimeout
	}
	return c.Timeout
}

func (c *Config) maxCommand() int64 {
	if c.MaxCommand <= 0 {
		return DefaultMaxCommand
	}
	return int64(c.MaxCommand)
}

// newMechanism makes the mechanism for a connection with the peer at this address.
func (c *Config) newMechanism(server bool, peer string) mechanism.Mechanism {
	params := mechanism.Params{
		Server:   server,
		Peer:     peer,
		Metadata: c.metadata(),
		Check:    c.check,
	}
	if c.NewMechanism == nil {
		return mechanism.NewNull(params)
	}
	return c.NewMechanism(params)
}
