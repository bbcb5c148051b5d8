package mechanism

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
)

// Passwords makes an [Authenticator] for the mechanism PLAIN that knows these usernames
// and their passwords. How long it takes tells nothing about them. The map is copied.
func Passwords(users map[string]string) Authenticator {
	known := make(map[string][sha256.Size]byte, len(users))
	for name, password := range users {
		known[name] = sha256.Sum256([]byte(password))
	}
	return func(_ context.Context, r AuthRequest) (Decision, error) {
		want, ok := known[r.Username] // of an unknown user a sum that no password is known to have
		got := sha256.Sum256([]byte(r.Password))
		if subtle.ConstantTimeCompare(got[:], want[:]) == 0 || !ok || r.Mechanism != "PLAIN" {
			return Refuse("wrong username or password"), nil
		}
		return Accept(r.Username), nil
	}
}
