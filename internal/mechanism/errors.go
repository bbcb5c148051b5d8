package mechanism

import (
	"errors"
	"fmt"
)

// ErrAuthentication is what a handshake's error is when one of the two ends did
// not accept the other's credentials.
var ErrAuthentication = errors.New("authentication failed")

// PeerError says that the peer ended the handshake with an ERROR command. It is
// final: the same settings are not to be tried again (RFC 37, "Error Handling"). It is
// [ErrAuthentication] when the reason is a status code of ZAP (RFC 27).
type PeerError struct {
	Reason string // the peer's words; may be empty
}

// Error quotes the peer's reason.
func (e *PeerError) Error() string {
	if e.Reason == "" {
		return "peer refused the connection without a reason"
	}
	return fmt.Sprintf("peer refused the connection with the reason %q", e.Reason)
}

// Is reports whether target is [ErrAuthentication] and the reason says so.
func (e *PeerError) Is(target error) bool {
	if target != ErrAuthentication {
		return false
	}
	switch e.Reason {
	case "300", "400", "500":
		return true
	default:
		return false
	}
}
