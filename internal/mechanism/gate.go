package mechanism

import (
	"context"
	"fmt"
	"net"
	"runtime/debug"
	"strconv"

	"github.com/experimance/experimance-go/internal/wire"
)

// gate is where the peers of a server are let in or turned away.
type gate struct {
	domain string
	ask    Authenticator
}

// admit asks the Authenticator about a peer. With an error the peer is refused, and
// reply is what is to be said to it.
func (g gate) admit(ctx context.Context, peer string, r AuthRequest) (user User, reply []byte, err error) {
	r.Domain, r.Address = g.domain, host(peer)
	d, err := g.decide(ctx, r)
	if err == nil && d.Status == StatusSuccess {
		if d.UserID == "" {
			d.UserID = r.name()
		}
		return User{ID: d.UserID, Metadata: d.Metadata, Membership: d.membership}, nil, nil
	}
	refused := &RefusedError{Request: r, Status: d.Status, Reason: d.Reason, Err: err}
	switch {
	case err != nil:
		refused.Status = StatusInternalError
	case d.Status == 0:
		refused.Status = StatusAuthenticationFailure
	case d.Status != StatusTemporaryError && d.Status != StatusAuthenticationFailure:
		refused.Status = StatusInternalError
	}
	if refused.Status != StatusTemporaryError {
		reply = wire.AppendError(nil, strconv.Itoa(int(refused.Status)))
	}
	return User{}, reply, refused
}

// decide takes a panic for an error, since otherwise a peer could end the program.
func (g gate) decide(ctx context.Context, r AuthRequest) (d Decision, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("authenticator panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return g.ask(ctx, r)
}

// host is the part of a network address without the port, all of it when there is none.
func host(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
