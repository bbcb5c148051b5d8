package zmtp

import "slices"

// partners are the socket types that may be connected (RFC 37, "The Socket-Type
// Property").
var partners = map[string][]string{
	"REQ":    {"REP", "ROUTER"},
	"REP":    {"REQ", "DEALER"},
	"DEALER": {"REP", "DEALER", "ROUTER"},
	"ROUTER": {"REQ", "DEALER", "ROUTER"},
	"PUB":    {"SUB", "XSUB"},
	"XPUB":   {"SUB", "XSUB"},
	"SUB":    {"PUB", "XPUB"},
	"XSUB":   {"PUB", "XPUB"},
	"PUSH":   {"PULL"},
	"PULL":   {"PUSH"},
	"PAIR":   {"PAIR"},
}

// Compatible reports whether sockets of the types a and b may be connected. It is
// false for types that this engine does not know.
func Compatible(a, b string) bool {
	return slices.Contains(partners[a], b)
}

// identifies reports whether sockets of this type have an identity that their peer
// takes note of.
func identifies(socketType string) bool {
	return slices.Contains(partners["ROUTER"], socketType)
}
