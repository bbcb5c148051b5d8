package zmq

import "github.com/experimance/experimance-go/internal/mechanism"

// Security is how a socket and its peers trust each other: PlainServer, PlainClient, CurveServer, CurveClient, CurveFleet or
// NullServer. Without any, everybody may connect and everything travels in the clear. Both ends must use the same mechanism:
// a peer with another one is refused, so that nobody can talk a socket out of its security.
type Security = mechanism.Security

// The settings of the security mechanisms. The server is the one that decides who may connect; it need not be the one that
// binds, except with CurveFleet.
type (
	// NullServer asks an Authenticator about each peer, whose network address is all that is known of it.
	NullServer = mechanism.NullServer
	// PlainServer asks each peer for a username and a password (RFC 24), which travel in the clear.
	PlainServer = mechanism.PlainServer
	// PlainClient shows a username and a password.
	PlainClient = mechanism.PlainClient
	// CurveServer lets peers in by their public keys, and encrypts and authenticates all traffic (RFC 26).
	CurveServer = mechanism.CurveServer
	// CurveClient connects to a CurveServer whose public key it knows.
	CurveClient = mechanism.CurveClient
	// CurveFleet makes every peer that is connected to a CurveServer and every one that connects a CurveClient.
	CurveFleet = mechanism.CurveFleet
)

// What an Authenticator is asked and answers, after ZAP (RFC 27).
type (
	// Authenticator decides whether a peer may connect. It is called by many goroutines at once.
	Authenticator = mechanism.Authenticator
	// AuthRequest is what is known of a peer that asks to be accepted.
	AuthRequest = mechanism.AuthRequest
	// Decision is an Authenticator's answer; the zero Decision refuses.
	Decision = mechanism.Decision
	// Status is the status code of a Decision.
	Status = mechanism.Status
)

// The status codes of a Decision, those of ZAP.
const (
	StatusSuccess               = mechanism.StatusSuccess
	StatusTemporaryError        = mechanism.StatusTemporaryError
	StatusAuthenticationFailure = mechanism.StatusAuthenticationFailure
	StatusInternalError         = mechanism.StatusInternalError
)

// ErrAuthentication is in the error of a handshake in which one of the two ends did not accept the other's credentials.
var ErrAuthentication = mechanism.ErrAuthentication

// Keys of CURVE.
type (
	// KeyPair is a long-term identity: a secret key and its public key.
	KeyPair = mechanism.KeyPair
	// PublicKey is the public half of a KeyPair, the name under which its owner is known.
	PublicKey = mechanism.PublicKey
	// KeySet is a set of public keys that may connect, and may change while sockets use it.
	KeySet = mechanism.KeySet
)

// Accept is the Decision that lets a peer in as this user. Empty stands for the name in its credentials.
func Accept(userID string) Decision { return mechanism.Accept(userID) }

// Refuse is the Decision that keeps a peer out.
func Refuse(reason string) Decision { return mechanism.Refuse(reason) }

// AllowAny is the Authenticator that accepts every peer. With CURVE it gives a connection that nobody else can read or
// change, without saying who the peer is.
var AllowAny Authenticator = mechanism.AllowAny

// Passwords makes an Authenticator for PlainServer that knows these usernames and their passwords.
func Passwords(users map[string]string) Authenticator { return mechanism.Passwords(users) }

// NewKeySet makes a set of these keys.
func NewKeySet(keys ...PublicKey) *KeySet { return mechanism.NewKeySet(keys...) }

// GenerateKeyPair makes a new pair of keys.
func GenerateKeyPair() (KeyPair, error) { return mechanism.GenerateKeyPair() }

// ParseSecretKey makes the pair of a secret key in Z85 (RFC 32), 40 characters.
func ParseSecretKey(text string) (KeyPair, error) { return mechanism.ParseSecretKey(text) }

// ParsePublicKey decodes a public key in Z85 (RFC 32), 40 characters.
func ParsePublicKey(text string) (PublicKey, error) { return mechanism.ParsePublicKey(text) }

// SaveKeyPair writes two key files that Python's zmq.auth reads as well: path, with the public key, and path with "_secret"
// behind it, with both keys, which nobody but the owner may read (mode 0600). A file that exists is never overwritten.
func SaveKeyPair(path string, pair KeyPair) error { return mechanism.SaveKeyPair(path, pair) }

// LoadKeyPair reads a secret key file, of SaveKeyPair or of Python's zmq.auth. It refuses a file that others than its owner
// may read or write, except on Windows.
func LoadKeyPair(path string) (KeyPair, error) { return mechanism.LoadKeyPair(path) }

// LoadPublicKey reads the public key in a key file.
func LoadPublicKey(path string) (PublicKey, error) { return mechanism.LoadPublicKey(path) }

// LoadPublicKeys reads the public keys in all files of a directory whose names end in ".key", for a KeySet.
func LoadPublicKeys(dir string) ([]PublicKey, error) { return mechanism.LoadPublicKeys(dir) }

// EncodeZ85 returns b as Z85 text (RFC 32). The number of bytes must be a multiple of four.
func EncodeZ85(b []byte) (string, error) { return mechanism.EncodeZ85(b) }

// DecodeZ85 returns the bytes that a Z85 text stands for. The number of characters must be a multiple of five.
func DecodeZ85(text string) ([]byte, error) { return mechanism.DecodeZ85(text) }
