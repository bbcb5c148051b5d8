package zmq

import (
	"errors"
	"fmt"
	"net"
)

// ErrClosed is what calls on a closed socket fail with, those included that were blocked when it was closed.
// errors.Is(err, net.ErrClosed) holds for it.
var ErrClosed = fmt.Errorf("zmq: socket closed: %w", net.ErrClosed)

// ErrMessageTooLarge is what Send returns for a message over Config.MaxMessageSize; nothing of it was sent.
var ErrMessageTooLarge = errors.New("zmq: message larger than Config.MaxMessageSize")

// ErrNoPeer is in the error of a Send that its context ended while no peer could take the message.
var ErrNoPeer = errors.New("no peer could take the message")

// ConfigError is a Config field that NewPub and its sisters refuse.
type ConfigError struct {
	Field  string // name of the field in Config
	Reason string // what is wrong with its value, and what would be right
}

// Error names the field and what would be right.
func (e *ConfigError) Error() string { return "zmq: Config." + e.Field + ": " + e.Reason }

// OpError is a call on a socket that failed.
type OpError struct {
	Op       string // the method: "bind", "connect", "send", ...
	Socket   string // the socket's type: "PUB", "PULL", ...
	Endpoint string // the endpoint that the call was about, or ""
	Err      error  // the cause
}

// Error tells what was tried, on what, and why it failed.
func (e *OpError) Error() string {
	if e.Endpoint == "" {
		return fmt.Sprintf("zmq: %s %s: %v", e.Socket, e.Op, e.Err)
	}
	return fmt.Sprintf("zmq: %s %s %s: %v", e.Socket, e.Op, e.Endpoint, e.Err)
}

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }
