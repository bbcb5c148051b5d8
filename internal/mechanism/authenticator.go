package mechanism

import (
	"context"
	"fmt"
	"log/slog"
)

// Authenticator decides whether a peer may connect: the part that a handler of ZAP has
// in other implementations (RFC 27). It is called during the handshake of each
// connection, by many goroutines at once; the context ends when the handshake's time is
// up. With an error the peer is refused as with [StatusInternalError], and so it is when
// the Authenticator panics.
type Authenticator func(ctx context.Context, r AuthRequest) (Decision, error)

// AllowAny is the [Authenticator] that accepts every peer. With CURVE it gives a
// connection that nobody else can read or change, without saying who the peer is.
func AllowAny(context.Context, AuthRequest) (Decision, error) { return Accept(""), nil }

// AuthRequest is what is known of a peer that asks to be accepted. Printed or logged,
// it does not show the password.
type AuthRequest struct {
	Domain    string // of the server's settings, for an Authenticator that has several
	Address   string // the peer's network address; for TCP the IP without the port
	Identity  []byte // as the peer claims; nil when it has none, and always with PLAIN
	Mechanism string // "NULL", "PLAIN" or "CURVE"

	Username string // with PLAIN
	Password string // with PLAIN

	PublicKey PublicKey // with CURVE; the peer has proved that it holds the secret half
}

// String tells who asks.
func (r AuthRequest) String() string {
	s := fmt.Sprintf("%s peer at %s", r.Mechanism, r.Address)
	if name := r.name(); name != "" {
		s += fmt.Sprintf(" as %q", name)
	}
	return s
}

// LogValue is String.
func (r AuthRequest) LogValue() slog.Value { return slog.StringValue(r.String()) }

// name is what the credentials call the peer.
func (r AuthRequest) name() string {
	if r.PublicKey != (PublicKey{}) {
		return r.PublicKey.String()
	}
	return r.Username
}

// Status is the outcome of an authentication, in the numbers of ZAP (RFC 27).
type Status int

// The outcomes. The last two are told to the peer by their number in an ERROR command.
// After a temporary error the connection is closed without a word, so that the peer
// tries again.
const (
	StatusSuccess               Status = 200
	StatusTemporaryError        Status = 300
	StatusAuthenticationFailure Status = 400
	StatusInternalError         Status = 500
)

// String tells the status in the words of RFC 27, with its number.
func (s Status) String() string {
	text := "unknown status"
	switch s {
	case StatusSuccess:
		text = "success"
	case StatusTemporaryError:
		text = "temporary error"
	case StatusAuthenticationFailure:
		text = "authentication failed"
	case StatusInternalError:
		text = "internal error"
	}
	return fmt.Sprintf("%s (%d)", text, int(s))
}

// Decision is an Authenticator's answer. Only one with the status 200 lets the peer in;
// the zero Decision refuses it.
type Decision struct {
	Status Status // 0 is 400, and what is no status of ZAP is 500
	Reason string // for events and logs of this end; the peer is told the status alone

	// UserID is who the peer is. Empty stands for the name in its credentials: the
	// username, or the public key in Z85.
	UserID string

	// Metadata is what else is known of the user.
	Metadata map[string]string

	membership *Membership // of the peer's key; nil if there is no set
}

// Accept is the Decision that lets a peer in as this user. Empty stands for the name in
// its credentials.
func Accept(userID string) Decision { return Decision{Status: StatusSuccess, UserID: userID} }

// Refuse is the Decision that keeps a peer out: its credentials are wrong.
func Refuse(reason string) Decision {
	return Decision{Status: StatusAuthenticationFailure, Reason: reason}
}

// User is who a peer was found to be. The zero User is a peer that nobody was asked
// about.
type User struct {
	ID       string
	Metadata map[string]string

	// Membership is that of the peer's key in the set of keys that may connect. When it
	// ends, so must the connection. Nil if there is no such set.
	Membership *Membership
}

// RefusedError says that this end has refused a peer. It is [ErrAuthentication].
type RefusedError struct {
	Request AuthRequest
	Status  Status
	Reason  string // may be empty
	Err     error  // of the Authenticator; nil when it decided without one
}

// Error tells who was refused, and why.
func (e *RefusedError) Error() string {
	s := fmt.Sprintf("refused %s: %s", e.Request, e.Status)
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Is reports whether target is [ErrAuthentication].
func (e *RefusedError) Is(target error) bool { return target == ErrAuthentication }

// Unwrap returns the Authenticator's error.
func (e *RefusedError) Unwrap() error { return e.Err }
