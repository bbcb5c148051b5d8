package runner

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/experimance/experimance-go/bench/internal/engine"
)

// newCurve makes the keys of a server and a client.
func newCurve() (*engine.Curve, error) {
	var c engine.Curve
	for _, pair := range []struct{ public, secret *string }{
		{&c.ServerPublic, &c.ServerSecret},
		{&c.ClientPublic, &c.ClientSecret},
	} {
		key, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("runner: make keys: %w", err)
		}
		*pair.public, *pair.secret = z85(key.PublicKey().Bytes()), z85(key.Bytes())
	}
	return &c, nil
}

const z85Digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

// z85 encodes bytes, a multiple of four of them, by RFC 32.
func z85(b []byte) string {
	var text []byte
	for ; len(b) > 0; b = b[4:] {
		var digits [5]byte
		for n, i := binary.BigEndian.Uint32(b), 4; i >= 0; i-- {
			digits[i] = z85Digits[n%85]
			n /= 85
		}
		text = append(text, digits[:]...)
	}
	return string(text)
}
