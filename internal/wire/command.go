package wire

import (
	"errors"
	"fmt"
)

// Names of the commands of RFC 37 that are no mechanism's own.
const (
	CommandReady     = "READY"
	CommandError     = "ERROR"
	CommandPing      = "PING"
	CommandPong      = "PONG"
	CommandSubscribe = "SUBSCRIBE"
	CommandCancel    = "CANCEL"
)

// MaxReason is the length in bytes of the longest reason an ERROR can carry.
const MaxReason = 255

var errEmptyCommand = errors.New("command frame is empty: a command has a name")

// AppendCommand appends a whole command frame: header, name, and the parts of
// the body one after another. It panics when the name is empty or longer than 255
// bytes, since names are constants of the program.
func AppendCommand(dst []byte, name string, body ...[]byte) []byte {
	if len(name) == 0 || len(name) > 255 {
		panic("wire: command name must have 1 to 255 bytes: " + name)
	}
	size := 1 + len(name)
	for _, part := range body {
		size += len(part)
	}
	dst = AppendHeader(dst, FlagCommand, size)
	dst = append(append(dst, byte(len(name))), name...)
	for _, part := range body {
		dst = append(dst, part...)
	}
	return dst
}

// ParseCommand splits the body of a command frame into the command's name and
// its data, both slices of body. The name is not held against the known ones.
func ParseCommand(body []byte) (name, data []byte, err error) {
	if len(body) == 0 {
		return nil, nil, errEmptyCommand
	}
	end := 1 + int(body[0])
	if end == 1 {
		return nil, nil, errors.New("command has an empty name")
	}
	if end > len(body) {
		return nil, nil, fmt.Errorf("command name of %d bytes is cut off after %d", end-1, len(body)-1)
	}
	return body[1:end], body[end:], nil
}

// AppendError appends an ERROR command frame. What of the reason is above
// [MaxReason] bytes is left out, and each byte that is not visible ASCII, blanks
// too, becomes an underscore, as the grammar has it (RFC 37, "The NULL
// Security Mechanism").
func AppendError(dst []byte, reason string) []byte {
	body := make([]byte, 1, 1+MaxReason)
	for i := range min(len(reason), MaxReason) {
		c := reason[i]
		if c <= ' ' || c > '~' {
			c = '_'
		}
		body = append(body, c)
	}
	body[0] = byte(len(body) - 1)
	return AppendCommand(dst, CommandError, body)
}

// ParseError decodes the data of an ERROR command. The reason is the peer's text
// and may hold any bytes: quote it before showing it.
func ParseError(data []byte) (reason string, err error) {
	if len(data) == 0 || len(data) < 1+int(data[0]) {
		return "", errors.New("ERROR command is cut off")
	}
	return string(data[1 : 1+int(data[0])]), nil
}
