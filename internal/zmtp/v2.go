package zmtp

import (
	"context"
	"fmt"

	"github.com/experimance/experimance-go/internal/wire"
)

// majorV2 is the major version of a peer of ZMTP 2.0 (RFC 15).
const majorV2 = 2

// noSecurity is the only mechanism that ZMTP 2.0 has.
const noSecurity = "NULL"

// greetV2 sends the rest of a greeting of ZMTP 2.0. The version, as far as it has not
// been sent yet, comes first: it stays that of ZMTP 3, as libzmq does it. Other than
// READY, the identity need not wait until this end has accepted the peer: peers send
// messages when they have the socket type.
func (h *handshake) greetV2(version []byte) error {
	if name := h.mech.Name(); name != noSecurity {
		return protocolError{fmt.Errorf(
			"peer speaks ZMTP 2.0, which has no security, and our security mechanism is %q: use libzmq 4.0 or later", name)}
	}
	number, ok := wire.TypeNumberV2(h.cfg.SocketType)
	if !ok {
		return protocolError{fmt.Errorf("peer speaks ZMTP 2.0, which has no socket type %s", h.cfg.SocketType)}
	}
	h.out.send(wire.AppendGreetingV2(version[:len(version):len(version)], number, h.cfg.identity()))
	return nil
}

// identify reads the rest of a greeting of ZMTP 2.0, and judges it as the READY that a
// later peer would have sent.
func (h *handshake) identify(ctx context.Context) error {
	for len(h.in.buf) < wire.GreetingSizeV2 {
		if err := h.in.more(wire.GreetingSizeV2); err != nil {
			return err
		}
	}
	kind, err := wire.SocketTypeV2(h.in.take(wire.GreetingSizeV2))
	if err != nil {
		return protocolError{err}
	}
	props := wire.Properties{{Name: wire.PropertySocketType, Value: []byte(kind)}}
	if err := h.cfg.check(props); err != nil { // before the identity comes
		return protocolError{err}
	}
	identity, err := h.readIdentity()
	if err != nil {
		return err
	}
	h.stage = StageSecurity
	props = append(props, wire.Property{Name: wire.PropertyIdentity, Value: identity})
	ready := append([]byte{byte(len(wire.CommandReady))}, wire.CommandReady...)
	ready = props.Append(ready)
	if _, _, err := h.mech.Handle(ctx, ready); err != nil {
		return protocolError{err}
	}
	return nil
}

// readIdentity reads the identity of a peer of ZMTP 2.0, a frame.
func (h *handshake) readIdentity() ([]byte, error) {
	return h.readFrame(func(flags byte, size int64) error {
		switch {
		case flags&^wire.FlagLong != 0:
			return fmt.Errorf("peer's identity comes in a frame with the flags %#02x", flags)
		case size > MaxIdentity:
			return fmt.Errorf("peer's identity has %d bytes, more than %d", size, MaxIdentity)
		}
		return nil
	})
}
