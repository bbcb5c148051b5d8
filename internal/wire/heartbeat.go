package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// MaxPingContext is the length in bytes of the longest context of a PING.
const MaxPingContext = 16

// The unit of a PING's time to live, and the longest that its field holds.
const (
	pingUnit = time.Second / 10
	maxTTL   = math.MaxUint16 * pingUnit
)

// AppendPing appends a PING command frame. The time to live is how long the peer
// may hear nothing more before it gives the connection up: rounded up to tenths of
// a second, at most 6553.5 s, and 0 for no limit. Of the context, which the peer's
// PONG repeats, the first [MaxPingContext] bytes are sent (RFC 37,
// "Connection Heartbeating").
func AppendPing(dst []byte, ttl time.Duration, context []byte) []byte {
	ttl = min(max(ttl, 0), maxTTL)
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], uint16((ttl+pingUnit-1)/pingUnit))
	return AppendCommand(dst, CommandPing, b[:], context[:min(len(context), MaxPingContext)])
}

// ParsePing decodes the data of a PING command. The context is a slice of data.
func ParsePing(data []byte) (ttl time.Duration, context []byte, err error) {
	if len(data) < 2 {
		return 0, nil, fmt.Errorf("PING has %d bytes of data, at least 2 are needed", len(data))
	}
	if len(data) > 2+MaxPingContext {
		return 0, nil, fmt.Errorf("PING has a context of %d bytes, more than %d", len(data)-2, MaxPingContext)
	}
	return time.Duration(binary.BigEndian.Uint16(data)) * pingUnit, data[2:], nil
}

// AppendPong appends the PONG command frame that answers a PING of this context.
// A PONG's data is its context and needs no parsing.
func AppendPong(dst, context []byte) []byte {
	return AppendCommand(dst, CommandPong, context[:min(len(context), MaxPingContext)])
}
