package zmq

import "github.com/experimance/experimance-go/internal/mechanism"

// Security is how a socket and its peers trust each other: PlainServer, PlainClient, CurveServer, CurveClient, CurveFleet or
// NullServer. Without any, everybody may connect and everything travels in the clear. Both ends must use the same mechanism:
// a peer with another one is refused, so that nobody can talk a socket out of its security.
type Security = mechanism.Security

// The settings of the security mechanisms. The server is the one that decides who may connect; it need not be the one that
// binds, except with CurveFleet.
type (
	// NullServer asks an Authenticator about each peer that connects, whose network address is all
	// that is known of it. Its peers have no Security. Those of ZMTP 2.0 are asked about as well;
	// all other kinds of Security refuse them.
	//
	//	Authenticator Authenticator // decides about peers; required
	//	Domain        string        // handed to the Authenticator
	NullServer = mechanism.NullServer
	// PlainServer asks each peer for a username and a password (RFC 24), which travel in the clear.
	//
	//	Authenticator Authenticator // decides about the credentials; required; Passwords makes one
	//	Domain        string        // handed to the Authenticator
	PlainServer = mechanism.PlainServer
	// PlainClient shows a username and a password to a PlainServer.
	//
	//	Username, Password string // at most 255 bytes each
	PlainClient = mechanism.PlainClient
	// CurveServer lets peers in by their public keys, and encrypts and authenticates all traffic (RFC 26). One of Clients
	// and Authenticator is required; where both are set a peer must please both. AllowAny lets in everybody who knows the
	// server's public key.
	//
	//	Keys          KeyPair       // whose public key the clients know; required
	//	Clients       *KeySet       // the public keys that may connect; may be changed at any time
	//	Authenticator Authenticator // decides about each client
	//	Domain        string        // handed to the Authenticator
	CurveServer = mechanism.CurveServer
	// CurveClient connects to a CurveServer whose public key it knows.
	//
	//	Keys      KeyPair   // by whose public key the server knows this client; required
	//	ServerKey PublicKey // of the server; required
	CurveClient = mechanism.CurveClient
	// CurveFleet closes a fleet to strangers with one setting for all: the end that is bound acts as a CurveServer, the end
	// that connects as a CurveClient. Keys alone is enough: then all members share one pair.
	//
	//	Keys      KeyPair   // this peer's own pair; required
	//	ServerKey PublicKey // of those that this peer connects to; default: the public key of Keys
	//	Members   *KeySet   // the public keys that may connect to this peer; default: that of Keys
	CurveFleet = mechanism.CurveFleet
)

// What an Authenticator is asked and answers, after ZAP (RFC 27).
type (
	// Authenticator decides whether a peer may connect. It is called during each handshake, by many goroutines at once; the
	// context ends with the handshake's time. With an error the peer is refused.
	//
	//	func(ctx context.Context, r AuthRequest) (Decision, error)
	Authenticator = mechanism.Authenticator
	// AuthRequest is what is known of a peer that asks to be accepted. Printed or logged, it does not show the password.
	//
	//	Domain    string    // of the server's settings
	//	Address   string    // the peer's network address; for tcp the IP without the port
	//	Identity  []byte    // as the peer claims; nil where it has none, and always with PLAIN
	//	Mechanism string    // "NULL", "PLAIN" or "CURVE"
	//	Username  string    // with PLAIN
	//	Password  string    // with PLAIN
	//	PublicKey PublicKey // with CURVE; the peer has proved that it holds the secret half
	AuthRequest = mechanism.AuthRequest
	// Decision is an Authenticator's answer; Accept and Refuse make one, and the zero Decision refuses.
	//
	//	Status   Status            // lets the peer in where it is StatusSuccess; 0 is StatusAuthenticationFailure
	//	Reason   string            // for this end's events and logs; the peer is told the status alone
	//	UserID   string            // who the peer is; empty stands for the name in its credentials
	//	Metadata map[string]string // what else is known of the user
	Decision = mechanism.Decision
	// Status is the status code of a Decision, an int.
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
	// KeyPair is a long-term identity: a secret key and its public key. GenerateKeyPair, LoadKeyPair and ParseSecretKey make
	// one. Printed or logged, it shows the public key only.
	//
	//	Public() PublicKey // for the other end
	//	Secret() string    // in Z85, 40 characters, for a safe place
	//	IsZero() bool      // whether it holds no keys
	KeyPair = mechanism.KeyPair
	// PublicKey is the public half of a KeyPair, the name under which its owner is known: 32 bytes, comparable, shown by
	// String in Z85, 40 characters, and as such in JSON, too.
	PublicKey = mechanism.PublicKey
	// KeySet is a set of public keys that may connect. NewKeySet makes one. It may change while sockets use it. A key that is
	// removed, or not among those of Replace, is revoked: when the call returns, nothing more is read from the peers that were
	// accepted by it; their connections end with ErrKeyRemoved, also in the middle of a message, and they are refused when they
	// come back. Messages that were read before are still received. To exchange a key without an interruption, add the new one
	// first, and remove the old one when its peers use the new one. A KeySet must not be copied.
	//
	//	Add(keys ...PublicKey)
	//	Remove(keys ...PublicKey)
	//	Replace(keys ...PublicKey) // these in the place of all others, in one step
	//	Has(key PublicKey) bool
	//	Len() int
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
// behind it, with both keys. The mode of that file is 0600: only its owner may read it. Windows has no modes: there the file
// gets the permissions that its directory hands down, so choose a directory that only its owner may read, such as one in the
// user's profile. By custom path ends in ".key". A file that exists is never overwritten: the error then is fs.ErrExist.
func SaveKeyPair(path string, pair KeyPair) error { return mechanism.SaveKeyPair(path, pair) }

// LoadKeyPair reads a secret key file, of SaveKeyPair, of CZMQ or of Python's zmq.auth. It refuses a file that others than its
// owner may read or write; on Windows it does not look at the permissions.
func LoadKeyPair(path string) (KeyPair, error) { return mechanism.LoadKeyPair(path) }

// LoadPublicKey reads the public key in a key file.
func LoadPublicKey(path string) (PublicKey, error) { return mechanism.LoadPublicKey(path) }

// LoadPublicKeys reads the public keys of all certificates in a directory, for a KeySet: those of
// SaveKeyPair, of CZMQ and of Python's zmq.auth. It returns each key once, in the order of the
// files' names.
//
//   - Names that begin with ".", directories, and other files that are not regular are ignored.
//   - A file is a certificate if its name ends in ".key" or "_secret", or if it has a section
//     "curve" in its first 64 KiB. All other files are ignored, also if they cannot be read.
//   - A certificate that cannot be read, is larger than 64 KiB, or has no valid public key is an
//     error that names the file, and the line if there is one. There is one exception: a secret file
//     that cannot be read is ignored if the public file beside it has the key.
//
// So give certificates names that end in ".key": otherwise one that cannot be read is ignored. A
// directory without a certificate is an error; it names one of the ignored files that are too large
// or cannot be read. CZMQ skips a bad certificate silently; LoadPublicKeys does not.
func LoadPublicKeys(dir string) ([]PublicKey, error) { return mechanism.LoadPublicKeys(dir) }

// EncodeZ85 returns b as Z85 text (RFC 32). The number of bytes must be a multiple of four.
func EncodeZ85(b []byte) (string, error) { return mechanism.EncodeZ85(b) }

// DecodeZ85 returns the bytes that a Z85 text stands for. The number of characters must be a multiple of five.
func DecodeZ85(text string) ([]byte, error) { return mechanism.DecodeZ85(text) }
