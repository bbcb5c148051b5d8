package mechanism

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
)

// PublicKey is the public half of a [KeyPair]: the name under which its owner is known.
// Everybody may see it. It is comparable, and can be a key of a map.
type PublicKey [32]byte

// ParsePublicKey decodes the 40 characters of Z85 in which public keys are written.
func ParsePublicKey(text string) (PublicKey, error) {
	b, err := parseKey(text)
	if err != nil {
		return PublicKey{}, fmt.Errorf("public key: %w", err)
	}
	return PublicKey(b), nil
}

// String is the key in Z85, 40 characters.
func (k PublicKey) String() string { return string(appendZ85(nil, k[:])) }

// MarshalText is String, for encoders of JSON, TOML and the like.
func (k PublicKey) MarshalText() ([]byte, error) { return appendZ85(nil, k[:]), nil }

// UnmarshalText is [ParsePublicKey], for decoders of JSON, TOML and the like.
func (k *PublicKey) UnmarshalText(text []byte) (err error) {
	*k, err = ParsePublicKey(string(text))
	return err
}

// KeyPair is a long-term identity for the CURVE mechanism: a secret key and the public
// key that follows from it. It is a small value that can be copied and used by any
// number of goroutines. Printed or logged, it shows the public key only. The zero
// KeyPair holds no keys and is refused wherever one is needed.
type KeyPair struct {
	// A function keeps the secret away from printers that go through the fields of a
	// struct around the pair. Nil for the zero pair.
	key func() *ecdh.PrivateKey
}

func newKeyPair(key *ecdh.PrivateKey) KeyPair {
	return KeyPair{func() *ecdh.PrivateKey { return key }}
}

// GenerateKeyPair makes a new pair. It fails only where the program is restricted to
// FIPS 140, which does not know Curve25519.
func GenerateKeyPair() (KeyPair, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return KeyPair{}, fmt.Errorf("generate key pair: %w", err)
	}
	return newKeyPair(key), nil
}

// ParseSecretKey makes the pair of a secret key in Z85, 40 characters. Its errors do
// not quote the text.
func ParseSecretKey(text string) (KeyPair, error) {
	b, err := parseKey(text)
	if err != nil {
		return KeyPair{}, fmt.Errorf("secret key: %w", err)
	}
	key, err := ecdh.X25519().NewPrivateKey(b)
	if err != nil {
		return KeyPair{}, fmt.Errorf("secret key: %w", err)
	}
	return newKeyPair(key), nil
}

// IsZero reports whether the pair holds no keys.
func (k KeyPair) IsZero() bool { return k.key == nil }

// Public is the pair's public key, for the other end's configuration. It is zero for
// the zero pair.
func (k KeyPair) Public() PublicKey {
	if k.IsZero() {
		return PublicKey{}
	}
	return PublicKey(k.key().PublicKey().Bytes())
}

// Secret is the pair's secret key in Z85, 40 characters, for a safe place. It is empty
// for the zero pair.
func (k KeyPair) Secret() string {
	if k.IsZero() {
		return ""
	}
	return string(appendZ85(nil, k.key().Bytes()))
}

// String is the public key in Z85.
func (k KeyPair) String() string { return k.Public().String() }

// parseKey decodes a key in Z85.
func parseKey(text string) ([]byte, error) {
	const characters = len(PublicKey{}) / 4 * 5
	if len(text) != characters {
		return nil, fmt.Errorf("%d characters instead of the %d of a key in Z85", len(text), characters)
	}
	return DecodeZ85(text)
}

var errNoKeys = errors.New("is empty: give what GenerateKeyPair or LoadKeyPair returns")
