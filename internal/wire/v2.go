package wire

import (
	"fmt"
	"slices"
)

// majorV2 is the version byte of ZMTP 2.0 (RFC 15): the first revision.
const majorV2 = 1

// GreetingSizeV2 is the length in bytes of a greeting of ZMTP 2.0 up to the identity, a
// frame, which ends it.
const GreetingSizeV2 = VersionSize + 1

// typesV2 are the socket types that ZMTP 2.0 has, by their numbers (RFC 15). The last
// two are those of libzmq 3.2, which the RFC leaves out.
var typesV2 = []string{"PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB"}

// IsV2 reports whether the first bytes of a greeting are of ZMTP 2.0: false also as
// long as the version has not come.
func IsV2(prefix []byte) bool { return len(prefix) > majorOffset && prefix[majorOffset] == majorV2 }

// TypeNumberV2 returns the number of a socket type in ZMTP 2.0. It reports false for a
// type that ZMTP 2.0 does not have.
func TypeNumberV2(socketType string) (number byte, ok bool) {
	i := slices.Index(typesV2, socketType)
	return byte(max(i, 0)), i >= 0
}

// AppendGreetingV2 appends what ends a greeting of ZMTP 2.0, after the version: the
// number of the socket type, and the identity in a frame.
func AppendGreetingV2(dst []byte, number byte, identity []byte) []byte {
	dst = AppendHeader(append(dst, number), 0, len(identity))
	return append(dst, identity...)
}

// SocketTypeV2 returns the socket type in the first bytes of a greeting of ZMTP 2.0, of
// which there are [GreetingSizeV2] at least. It fails for an unknown one.
func SocketTypeV2(greeting []byte) (string, error) {
	number := int(greeting[GreetingSizeV2-1])
	if number >= len(typesV2) {
		return "", fmt.Errorf("peer of ZMTP 2.0 has a socket type of the unknown number %d", number)
	}
	return typesV2[number], nil
}
