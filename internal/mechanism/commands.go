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
	case string(got) != due:
		return "", nil, fmt.Errorf("peer sent the command %.32q where the %s expects %s", got, d.role, due)
	}
	return due, data, nil
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
