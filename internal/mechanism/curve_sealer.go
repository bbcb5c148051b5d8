package mechanism

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/experimance/experimance-go/internal/wire"
)

// messageName is what the body of each frame of the traffic begins with.
const messageName = "\x07MESSAGE"

// Offsets in the body of a MESSAGE: the name, the short nonce, the authenticator, and
// what is encrypted: a byte of flags and the body of the frame within.
const (
	nonceAt  = len(messageName)
	tagAt    = nonceAt + shortNonce
	secretAt = tagAt + boxOverhead
	plainAt  = secretAt + 1
)

// CurveOverhead is by how many bytes the body of a sealed frame is longer than that of
// the frame within.
const CurveOverhead = plainAt

// The flags within a MESSAGE, as libzmq has them. RFC 26 knows the first alone.
const (
	innerMore    = 1
	innerCommand = 2
)

var (
	errNonces    = errors.New("the nonces of the connection are used up: a new one has new keys")
	errNoMessage = errors.New("peer sent a frame that is no MESSAGE of CURVE")
	errReplayed  = errors.New("peer's command has a nonce that is not above the last: it was replayed, or is out of order")
	errTampered  = errors.New("peer's MESSAGE was changed on its way: its box cannot be opened")
	errFlags     = errors.New("peer's MESSAGE holds flags that do not exist or go together")
)

// curveSealer protects the traffic of a connection (RFC 26, "The MESSAGE Command"). A
// MESSAGE travels as a frame without flags, and those of the frame within are in the
// box. The outer COMMAND must not be set, although MESSAGE is a command, since libzmq
// adds it to the inner one; and Open takes no notice of the outer flags, since anybody
// on the way can change them.
type curveSealer struct {
	out direction
	_   [64]byte // the two are used by different goroutines: keep them off each other's cache line
	in  direction
}

var _ Sealer = (*curveSealer)(nil)

// direction is one of the two streams of a connection.
type direction struct {
	count  uint64 // the short nonce of the last command
	stream keystream
}

// thread is where a direction of the traffic goes on from the handshake.
type thread struct {
	prefix string // of MESSAGE's nonces
	count  uint64 // the last short nonce of the handshake
}

func newCurveSealer(box *boxKey, out, in thread) *curveSealer {
	s := &curveSealer{out: direction{count: out.count}, in: direction{count: in.count}}
	s.out.stream.init(box, out.prefix, out.count+1)
	s.in.stream.init(box, in.prefix, in.count+1)
	return s
}

// Seal appends to dst the frame of a MESSAGE. Body must not share memory with dst. It fails if there is no nonce left: a
// second frame with the same nonce would give both away.
func (s *curveSealer) Seal(dst []byte, flags byte, body []byte) ([]byte, error) {
	if s.out.count == math.MaxUint64 {
		return nil, errNonces
	}
	s.out.count++
	head := s.out.stream.head(s.out.count)

	size := plainAt + len(body)
	dst = wire.AppendHeader(slices.Grow(dst, wire.MaxHeader+size), 0, size)
	dst = append(dst, messageName...)
	dst = binary.BigEndian.AppendUint64(dst, s.out.count)
	at := len(dst) - tagAt
	message := dst[at : at+size]
	secret := message[secretAt:]
	secret[0] = sealFlags(flags) ^ head[tagKey]
	n := 1 + subtle.XORBytes(secret[1:], body, head[tagKey+1:])
	if n < len(secret) {
		s.out.stream.xorTail(secret[n:], body[n-1:], s.out.count)
	}
	authenticate((*[boxOverhead]byte)(message[tagAt:]), secret, head)
	return dst[:at+size], nil
}

// Open appends to dst the frame in the body of a MESSAGE. Nothing is decrypted before
// the authenticator has been found right. After an error the connection must end.
//
// In place the header goes where the authenticator and the flags were, which are not
// needed any more, and each block of keystream is applied where it lies.
func (s *curveSealer) Open(dst []byte, _ byte, body []byte) ([]byte, error) {
	if len(body) < plainAt || string(body[:nonceAt]) != messageName {
		return nil, errNoMessage
	}
	count := binary.BigEndian.Uint64(body[nonceAt:])
	if count <= s.in.count {
		if s.in.count == math.MaxUint64 {
			return nil, errNonces
		}
		return nil, errReplayed
	}
	head := s.in.stream.head(count)
	secret := body[secretAt:]
	if !authentic((*[boxOverhead]byte)(body[tagAt:]), secret, head) {
		return nil, errTampered
	}
	s.in.count = count
	flags, ok := openFlags(secret[0] ^ head[tagKey])
	if !ok {
		return nil, errFlags
	}
	secret = secret[1:]
	dst = wire.AppendHeader(slices.Grow(dst, wire.HeaderSize(len(secret))+len(secret)), flags, len(secret))
	at := len(dst)
	dst = dst[:at+len(secret)]
	plain := dst[at:]
	n := subtle.XORBytes(plain, secret, head[tagKey+1:])
	if n < len(secret) {
		s.in.stream.xorTail(plain[n:], secret[n:], count)
	}
	return dst, nil
}

// sealFlags translates the flags of a frame into those within a MESSAGE.
func sealFlags(flags byte) (inner byte) {
	if flags&wire.FlagMore != 0 {
		inner |= innerMore
	}
	if flags&wire.FlagCommand != 0 {
		inner |= innerCommand
	}
	return inner
}

// openFlags translates them back. Commands consist of one frame (RFC 37, "Framing").
func openFlags(inner byte) (flags byte, ok bool) {
	switch inner {
	case 0:
		return 0, true
	case innerMore:
		return wire.FlagMore, true
	case innerCommand:
		return wire.FlagCommand, true
	default:
		return 0, false
	}
}
