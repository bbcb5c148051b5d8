package mechanism

import (
	"errors"
	"fmt"
	"strconv"
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

// Error tells the status that the peer has given as its reason, or quotes the reason.
func (e *PeerError) Error() string {
	if e.Reason == "" {
		return "peer refused the connection without a reason"
	}
	if status, ok := e.status(); ok {
		return "peer refused the connection: " + status.String()
	}
	return fmt.Sprintf("peer refused the connection with the reason %q", e.Reason)
}

// Is reports whether target is [ErrAuthentication] and the reason says so.
func (e *PeerError) Is(target error) bool {
	_, ok := e.status()
	return ok && target == ErrAuthentication
}

// status is the status code that the reason is, and reports whether it is one of a
// refusal.
func (e *PeerError) status() (Status, bool) {
	for _, s := range []Status{StatusTemporaryError, StatusAuthenticationFailure, StatusInternalError} {
		if e.Reason == strconv.Itoa(int(s)) {
			return s, true
		}
	}
	return 0, false
}
