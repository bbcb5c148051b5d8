package zmtp

import (
	"errors"
	"fmt"

	"github.com/experimance/experimance-go/internal/wire"
)

// metadata encodes what this end says about itself. As libzmq does, only the types
// for which an identity means something send it, and these even when it is empty.
func (c *Config) metadata() []byte {
	b := wire.AppendProperty(nil, wire.PropertySocketType, []byte(c.SocketType))
	if identifies(c.SocketType) {
		b = wire.AppendProperty(b, wire.PropertyIdentity, c.Identity)
	}
	return b
}

// identity is what this end announces as its identity, nil when its type has none.
func (c *Config) identity() []byte {
	if !identifies(c.SocketType) {
		return nil
	}
	return c.Identity
}

// check judges what the peer says about itself. Its errors travel to the peer.
func (c *Config) check(props wire.Properties) error {
	peerType := socketType(props)
	if !c.accepts(peerType) {
		if peerType == "" {
			return errors.New("peer does not say its socket type")
		}
		return fmt.Errorf("socket type %s does not accept a peer of type %.32q", c.SocketType, peerType)
	}
	if n := len(peerIdentity(props)); n > MaxIdentity {
		return fmt.Errorf("peer's identity has %d bytes, more than %d", n, MaxIdentity)
	}
	return nil
}

func (c *Config) accepts(peerType string) bool {
	if c.Accepts == nil {
		return Compatible(c.SocketType, peerType)
	}
	return c.Accepts(peerType)
}

// socketType is the one among props, empty when there is none.
func socketType(props wire.Properties) string {
	value, _ := props.Get(wire.PropertySocketType)
	return string(value)
}

// peerIdentity is the one among props, nil when the peer has no say in it: a peer of
// a type without identities (RFC 37, "The Identity Property"), and one that claims an
// identity with a zero byte in front. These a ROUTER gives itself, so a stranger must
// not take one; but ZMTP 3.0 did not reserve them, hence the peer is not refused.
func peerIdentity(props wire.Properties) []byte {
	identity, _ := props.Get(wire.PropertyIdentity)
	if !identifies(socketType(props)) || len(identity) == 0 || identity[0] == 0 {
		return nil
	}
	return identity
}
