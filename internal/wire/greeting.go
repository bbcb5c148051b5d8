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

// Sizes in bytes of a ZMTP 3 greeting (RFC 37, "Formal Grammar"), of the signature with
// which each version since 2.0 begins, and of both with the byte behind it, the major
// version.
const (
	SignatureSize = 10
	VersionSize   = SignatureSize + 1
	GreetingSize  = 64
)

// MaxMechanism is the length in bytes of the greeting's mechanism field.
const MaxMechanism = 20

// Offsets of the greeting's fields.
const (
	signatureEnd   = SignatureSize - 1
	majorOffset    = SignatureSize
	minorOffset    = 11
	mechanismStart = 12
	asServerOffset = mechanismStart + MaxMechanism
)

// ErrVersion says that the peer speaks a version of ZMTP that this engine refuses.
var ErrVersion = errors.New("peer speaks a version of ZMTP that is too old")

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
// when the version is too old. It takes ZMTP 2.0, see [IsV2]. The signature's padding
// is not looked at (RFC 37, "Version Negotiation"). Errors for peers known to be old
// are [ErrVersion].
func CheckGreeting(prefix []byte) error {
	if len(prefix) > 0 && prefix[0] != 0xff {
		return foreign(prefix)
	}
	if len(prefix) > signatureEnd && prefix[signatureEnd] != 0x7f {
		return fmt.Errorf("greeting's tenth byte is %#02x instead of 0x7f: the peer speaks ZMTP 1.0 (libzmq 2) or another protocol; "+
			"use libzmq 3.2 or later", prefix[signatureEnd])
	}
	if len(prefix) > majorOffset && prefix[majorOffset] < Major && !IsV2(prefix) {
		version := "1.0"
		if prefix[majorOffset] > majorV2 {
			version = "a draft of 3.0"
		}
		return fmt.Errorf("%w: %s (revision byte %#02x); use libzmq 3.2 or later", ErrVersion, version, prefix[majorOffset])
	}
	return nil
}

// IsPadded reports whether the padding of a signature, at the front of a greeting, is not
// zeros. libzmq and its ports write the size of a message of ZMTP 1.0 there, whatever they
// speak; others follow RFC 37 ("Version Negotiation").
func IsPadded(signature []byte) bool {
	return [signatureEnd - 1]byte(signature[1:]) != [signatureEnd - 1]byte{}
}

// foreign is the error for the first bytes of something that is no signature of ZMTP.
func foreign(first []byte) error {
	first = first[:min(len(first), 16)]
	protocol := "another protocol"
	switch {
	case first[0] == 0x15 || first[0] == 0x16: // an alert, or a handshake (RFC 8446, section 5.1)
		protocol = "TLS or another protocol"
	case bytes.HasPrefix(first, []byte("SSH-")):
		protocol = "SSH"
	case isHTTP(first):
		protocol = "HTTP or another protocol"
	case first[0] > 0 && (len(first) < 2 || first[1] == 0): // the size of an identity, and flags (RFC 13)
		protocol = "ZMTP 1.0 (libzmq 2) or another protocol"
	}
	return fmt.Errorf("peer speaks %s, and not ZMTP 2.0 or later: it begins with %q", protocol, first)
}

// isHTTP reports whether a request or an answer of HTTP may begin like this.
func isHTTP(first []byte) bool {
	for _, begin := range []string{"HTTP/", "GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "CONNECT ", "OPTIONS ", "PATCH ", "PRI "} {
		n := min(len(begin), len(first))
		if string(first[:n]) == begin[:n] {
			return true
		}
	}
	return false
}

// ParseGreeting decodes the first 64 bytes of b, the greeting of ZMTP 3 or later. It
// fails as [CheckGreeting] does, for ZMTP 2.0, and when there are fewer. A version above
// ours is no error, as the lower of both is spoken. The mechanism is whatever the field
// holds before its final zeros, so that comparing it compares the field.
func ParseGreeting(b []byte) (Greeting, error) {
	if err := CheckGreeting(b); err != nil {
		return Greeting{}, err
	}
	if IsV2(b) {
		return Greeting{}, fmt.Errorf("%w: 2.0", ErrVersion)
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
