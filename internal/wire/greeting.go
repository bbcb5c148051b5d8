package wire

import (
	"bytes"
	"errors"
	"fmt"
)

// The version of ZMTP that this package speaks and announces.
const (
	Major = 3
	Minor = 1
)

// GreetingSize is the length in bytes of a ZMTP 3 greeting (RFC 37, "Formal
// Grammar").
const GreetingSize = 64

// MaxMechanism is the length in bytes of the greeting's mechanism field.
const MaxMechanism = 20

// Offsets of the greeting's fields.
const (
	signatureEnd   = 9
	majorOffset    = 10
	minorOffset    = 11
	mechanismStart = 12
	asServerOffset = mechanismStart + MaxMechanism
)

// ErrVersion says that the peer speaks ZMTP 1 or 2, which this engine refuses.
var ErrVersion = errors.New("peer speaks a ZMTP older than 3.0")

// Greeting is what the two ends of a connection tell each other first.
type Greeting struct {
	Major, Minor byte   // version of ZMTP
	Mechanism    string // security mechanism: "NULL", "PLAIN", "CURVE"
	AsServer     bool   // role in the mechanism; libzmq always announces false
}

// AppendGreeting appends the 64 bytes of g to dst. The padding is zeros, as RFC 37
// wants it of those that do not speak older versions ("Version Negotiation"). It
// panics when the mechanism is longer than [MaxMechanism], since mechanisms are
// constants of the program.
func AppendGreeting(dst []byte, g Greeting) []byte {
	if len(g.Mechanism) > MaxMechanism {
		panic("wire: mechanism name longer than 20 bytes: " + g.Mechanism)
	}
	var b [GreetingSize]byte
	b[0], b[signatureEnd] = 0xff, 0x7f
	b[majorOffset], b[minorOffset] = g.Major, g.Minor
	copy(b[mechanismStart:asServerOffset], g.Mechanism)
	if g.AsServer {
		b[asServerOffset] = 1
	}
	return append(dst, b[:]...)
}

// CheckGreeting judges the first bytes of a greeting, however few there are, so
// that a peer which will never send all 64 is refused at the first byte that
// says so: the first or the tenth when it is no ZMTP signature, the eleventh
// when the version is too old. The signature's padding is not looked at (RFC 37,
// "Version Negotiation"). Errors for peers known to be old are [ErrVersion].
func CheckGreeting(prefix []byte) error {
	if len(prefix) > 0 && prefix[0] != 0xff {
		return fmt.Errorf("greeting begins with %#02x instead of 0xff: the peer speaks ZMTP 1.0 or another protocol", prefix[0])
	}
	if len(prefix) > signatureEnd && prefix[signatureEnd] != 0x7f {
		return fmt.Errorf("greeting's tenth byte is %#02x instead of 0x7f: the peer speaks ZMTP 1.0 or another protocol", prefix[signatureEnd])
	}
	if len(prefix) > majorOffset && prefix[majorOffset] < Major {
		return fmt.Errorf("%w (revision byte %#02x): use a peer of libzmq 4.0 or later", ErrVersion, prefix[majorOffset])
	}
	return nil
}

// ParseGreeting decodes the first 64 bytes of b. It fails as [CheckGreeting] does,
// and when there are fewer. A version above ours is no error, as the lower of both
// is spoken. The mechanism is whatever the field holds before its final zeros, so
// that comparing it compares the field.
func ParseGreeting(b []byte) (Greeting, error) {
	if err := CheckGreeting(b); err != nil {
		return Greeting{}, err
	}
	if len(b) < GreetingSize {
		return Greeting{}, fmt.Errorf("greeting has %d bytes instead of %d", len(b), GreetingSize)
	}
	return Greeting{
		Major:     b[majorOffset],
		Minor:     b[minorOffset],
		Mechanism: string(bytes.TrimRight(b[mechanismStart:asServerOffset], "\x00")),
		AsServer:  b[asServerOffset] == 1,
	}, nil
}
