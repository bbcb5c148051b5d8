package mechanism

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/experimance/experimance-go/internal/wire"
)

// The commands that PLAIN (RFC 24) and CURVE (RFC 26) have in common, beside READY and
// ERROR: HELLO and INITIATE are the client's, WELCOME and READY the server's.
const (
	commandHello    = "HELLO"
	commandWelcome  = "WELCOME"
	commandInitiate = "INITIATE"
)

var errOver = errors.New("peer sent a command after the end of the handshake")

// unready is why a peer to which this end has told all about itself may not answer with
// READY.
const unready = "it may have a peer with this identity already, take no more peers at present, or not accept this socket type"

// dialogue knows which command of the peer is due.
type dialogue struct {
	role string // of this end, for errors
	due  string // empty at the end, in success or failure
}

// take returns the name and the data of the peer's command if that is the one that is
// due. Afterwards none is, until due is set again.
func (d *dialogue) take(command []byte) (name string, data []byte, err error) {
	due := d.due
	d.due = ""
	if due == "" {
		return "", nil, errOver
	}
	got, data, err := wire.ParseCommand(command)
	switch {
	case err != nil:
		return "", nil, err
	case string(got) == wire.CommandError:
		return "", nil, peerError(data)
	case string(got) == commandHello && due == commandWelcome:
		return "", nil, fmt.Errorf("peer sent HELLO to the %s: it is a client, too; make one of the two ends the server", d.role)
	case string(got) != due:
		return "", nil, fmt.Errorf("peer sent the command %.32q where the %s expects %s", got, d.role, due)
	}
	return due, data, nil
}

// awaits is Awaits of a server. Two ends that are both servers wait for each other.
func (d *dialogue) awaits() (command, causes string) {
	if d.due == commandHello {
		return d.due, "it may be the server, too"
	}
	return d.due, ""
}

// parseMetadata decodes a copy of the metadata in a command.
func parseMetadata(command string, data []byte) (wire.Properties, error) {
	props, err := wire.ParseProperties(bytes.Clone(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	return props, nil
}

// check holds metadata against Params.Check.
func (p *Params) check(props wire.Properties) error {
	if p.Check == nil {
		return nil
	}
	return p.Check(props)
}
