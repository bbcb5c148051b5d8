package mechanism

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/nacl/secretbox"
)

const curveName = "CURVE"

// What the nonces of CURVE begin with (RFC 26). A short nonce of 8 bytes that counts
// follows to the long ones, and a random one of 16 bytes to the others.
const (
	nonceHello         = "CurveZMQHELLO---"
	nonceWelcome       = "WELCOME-"
	nonceCookie        = "COOKIE--"
	nonceInitiate      = "CurveZMQINITIATE"
	nonceVouch         = "VOUCH---"
	nonceReady         = "CurveZMQREADY---"
	nonceMessageClient = "CurveZMQMESSAGEC"
	nonceMessageServer = "CurveZMQMESSAGES"
)

// Sizes in bytes of the parts of CURVE's commands.
const (
	curveKey    = 32 // of a key of any kind
	shortNonce  = 8
	randomNonce = 16
	boxOverhead = secretbox.Overhead // by which a box is larger than what is in it

	helloPadding = 72 // makes HELLO larger than WELCOME: who answers must not amplify
	helloZeros   = 64 // in HELLO's box

	cookieSize = randomNonce + boxOverhead + 2*curveKey
	vouchSize  = randomNonce + boxOverhead + 2*curveKey

	helloSize    = 2 + helloPadding + curveKey + shortNonce + boxOverhead + helloZeros
	welcomeSize  = randomNonce + boxOverhead + curveKey + cookieSize
	initiateSize = cookieSize + shortNonce + boxOverhead + curveKey + vouchSize // without metadata
	readySize    = shortNonce + boxOverhead                                     // without metadata
)

var errBox = errors.New("box cannot be opened")

// nonce is that of one box.
type nonce [24]byte

// countedNonce is a prefix of 16 bytes and a short nonce.
func countedNonce(prefix string, count uint64) *nonce {
	var n nonce
	copy(n[:], prefix)
	binary.BigEndian.PutUint64(n[len(n)-shortNonce:], count)
	return &n
}

// drawnNonce is a prefix of 8 bytes and a random nonce.
func drawnNonce(prefix string, random []byte) *nonce {
	var n nonce
	copy(n[:], prefix)
	copy(n[len(n)-randomNonce:], random)
	return &n
}

// newNonce draws what makes a nonce unique. It cannot fail: package rand ends the
// program before it returns anything else than random bytes.
func newNonce() []byte {
	random := make([]byte, randomNonce)
	_, _ = rand.Read(random)
	return random
}

// newTransient makes the key pair of one connection.
func newTransient() KeyPair {
	pair, err := GenerateKeyPair()
	if err != nil {
		panic("mechanism: " + err.Error()) // the long-term keys could not be made either
	}
	return pair
}

// boxKey is the key of the boxes that the owners of two key pairs exchange.
type boxKey [curveKey]byte

// newBoxKey computes it from the secret key of one and the public key of the other. It
// refuses public keys from which the result would not depend on the secret one, and
// those with the highest bit set: nobody makes these, and as the bit does not count, they
// would be second names for keys that an Authenticator knows by their first.
func newBoxKey(ours *ecdh.PrivateKey, theirs []byte) (*boxKey, error) {
	if theirs[curveKey-1]&0x80 != 0 {
		return nil, errors.New("public key: highest bit is set")
	}
	public, err := ecdh.X25519().NewPublicKey(theirs)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	shared, err := ours.ECDH(public)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	var key boxKey
	deriveKey((*[32]byte)(&key), new([16]byte), (*[32]byte)(shared))
	return &key, nil
}

// seal appends the box that holds plain.
func (k *boxKey) seal(dst []byte, n *nonce, plain []byte) []byte {
	return secretbox.Seal(dst, plain, (*[24]byte)(n), (*[32]byte)(k))
}

// open returns what a box holds.
func (k *boxKey) open(n *nonce, box []byte) ([]byte, error) {
	plain, ok := secretbox.Open(nil, box, (*[24]byte)(n), (*[32]byte)(k))
	if !ok {
		return nil, errBox
	}
	return plain, nil
}

// checkSize refuses the data of a command that have another size than they must.
func checkSize(command string, data []byte, ok bool) error {
	if !ok {
		return fmt.Errorf("peer's %s has the wrong size: %d bytes of data", command, len(data))
	}
	return nil
}
