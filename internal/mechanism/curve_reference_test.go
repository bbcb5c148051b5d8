package mechanism_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/crypto/nacl/box"
	"golang.org/x/crypto/nacl/secretbox"

	"github.com/experimance/experimance-go/internal/mechanism"
)

// naclPair is a key pair for package box, which shares no code with the mechanism.
type naclPair struct{ public, secret *[32]byte }

func newNaclPair(tb testing.TB) naclPair {
	tb.Helper()
	public, secret, err := box.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return naclPair{public, secret}
}

func (p naclPair) keyPair(tb testing.TB) mechanism.KeyPair {
	tb.Helper()
	text, err := mechanism.EncodeZ85(p.secret[:])
	if err != nil {
		tb.Fatal(err)
	}
	return pair(tb, text)
}

// nonceOf is a prefix and what follows it.
func nonceOf(prefix string, rest []byte) *[24]byte {
	n := [24]byte(slices.Concat([]byte(prefix), rest))
	return &n
}

func count(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// curvePeer is a client and a server written after RFC 26, word for word, that does
// what it is told to, right or wrong.
type curvePeer struct {
	tb        testing.TB
	long      naclPair  // C or S
	transient naclPair  // C' or S'
	server    *[32]byte // S, known to a client
	met       *[32]byte // the other end's transient key
	cookie    []byte

	version  []byte
	zeros    []byte // in HELLO
	vouchFor []byte // C' and S
	vouchBy  naclPair
	nonces   [2]uint64 // HELLO's and INITIATE's
}

func newCurvePeer(tb testing.TB, long naclPair, server *[32]byte) *curvePeer {
	tb.Helper()
	p := &curvePeer{
		tb: tb, long: long, transient: newNaclPair(tb), server: server,
		version: []byte{1, 0}, zeros: make([]byte, 64), vouchBy: long, nonces: [2]uint64{1, 2},
	}
	if server != nil {
		p.vouchFor = slices.Concat(p.transient.public[:], server[:])
	}
	return p
}

func (p *curvePeer) hello() []byte {
	n := count(p.nonces[0])
	b := box.Seal(nil, p.zeros, nonceOf("CurveZMQHELLO---", n), p.server, p.transient.secret)
	return command("HELLO", p.version, make([]byte, 72), p.transient.public[:], n, b)
}

// welcomed takes a WELCOME.
func (p *curvePeer) welcomed(welcome []byte) {
	p.tb.Helper()
	if len(welcome) != 168 || !bytes.HasPrefix(welcome, []byte("\x07WELCOME")) {
		p.tb.Fatalf("WELCOME of %d bytes: %q", len(welcome), welcome)
	}
	plain, ok := box.Open(nil, welcome[24:], nonceOf("WELCOME-", welcome[8:24]), p.server, p.transient.secret)
	if !ok {
		p.tb.Fatal("WELCOME cannot be opened")
	}
	met := [32]byte(plain)
	p.met, p.cookie = &met, plain[32:]
}

func (p *curvePeer) initiate(metadata []byte) []byte {
	random := make([]byte, 16)
	_, _ = rand.Read(random)
	vouch := box.Seal(random, p.vouchFor, nonceOf("VOUCH---", random), p.met, p.vouchBy.secret)
	n := count(p.nonces[1])
	plain := slices.Concat(p.long.public[:], vouch, metadata)
	return command("INITIATE", p.cookie, n, box.Seal(nil, plain, nonceOf("CurveZMQINITIATE", n), p.met, p.transient.secret))
}

// ready opens a READY and returns the metadata.
func (p *curvePeer) ready(ready []byte) []byte {
	p.tb.Helper()
	if !bytes.HasPrefix(ready, []byte("\x05READY")) || len(ready) < 30 {
		p.tb.Fatalf("READY of %d bytes: %q", len(ready), ready)
	}
	plain, ok := box.Open(nil, ready[14:], nonceOf("CurveZMQREADY---", ready[6:14]), p.met, p.transient.secret)
	if !ok {
		p.tb.Fatal("READY cannot be opened")
	}
	return plain
}

// greeted takes a HELLO.
func (p *curvePeer) greeted(hello []byte) {
	p.tb.Helper()
	if len(hello) != 200 || !bytes.HasPrefix(hello, slices.Concat([]byte("\x05HELLO\x01\x00"), make([]byte, 72))) {
		p.tb.Fatalf("HELLO of %d bytes: %q", len(hello), hello)
	}
	met := [32]byte(hello[80:])
	plain, ok := box.Open(nil, hello[120:], nonceOf("CurveZMQHELLO---", hello[112:120]), &met, p.long.secret)
	if !ok || !bytes.Equal(plain, make([]byte, 64)) {
		p.tb.Fatalf("HELLO holds %q, %t", plain, ok)
	}
	p.met = &met
}

func (p *curvePeer) welcome() []byte {
	random := make([]byte, 16)
	_, _ = rand.Read(random)
	p.cookie = make([]byte, 96)
	_, _ = rand.Read(p.cookie)
	plain := slices.Concat(p.transient.public[:], p.cookie)
	return command("WELCOME", random, box.Seal(nil, plain, nonceOf("WELCOME-", random), p.met, p.long.secret))
}

// initiated opens an INITIATE and returns the client's key and its metadata.
func (p *curvePeer) initiated(initiate []byte) (key, metadata []byte) {
	p.tb.Helper()
	if len(initiate) < 257 || !bytes.HasPrefix(initiate, slices.Concat([]byte("\x08INITIATE"), p.cookie)) {
		p.tb.Fatalf("INITIATE of %d bytes: %q", len(initiate), initiate)
	}
	plain, ok := box.Open(nil, initiate[113:], nonceOf("CurveZMQINITIATE", initiate[105:113]), p.met, p.transient.secret)
	if !ok {
		p.tb.Fatal("INITIATE cannot be opened")
	}
	client := [32]byte(plain)
	vouch, ok := box.Open(nil, plain[48:128], nonceOf("VOUCH---", plain[32:48]), &client, p.transient.secret)
	if !ok || !bytes.Equal(vouch, slices.Concat(p.met[:], p.long.public[:])) {
		p.tb.Fatalf("voucher holds %x, %t", vouch, ok)
	}
	return plain[:32], plain[128:]
}

func (p *curvePeer) sayReady(metadata []byte) []byte {
	n := count(1)
	return command("READY", n, box.Seal(nil, metadata, nonceOf("CurveZMQREADY---", n), p.met, p.transient.secret))
}

// message is the body of a MESSAGE, with the prefix that one of the ends uses.
func (p *curvePeer) message(prefix string, n uint64, flags byte, plain string) []byte {
	var shared [32]byte
	box.Precompute(&shared, p.met, p.transient.secret)
	b := secretbox.Seal(nil, append([]byte{flags}, plain...), nonceOf(prefix, count(n)), &shared)
	return command("MESSAGE", count(n), b)
}

// opened is what a MESSAGE holds.
func (p *curvePeer) opened(prefix string, message []byte) (flags byte, plain string) {
	p.tb.Helper()
	var shared [32]byte
	box.Precompute(&shared, p.met, p.transient.secret)
	if !bytes.HasPrefix(message, []byte("\x07MESSAGE")) || len(message) < 33 {
		p.tb.Fatalf("%q is no MESSAGE", message)
	}
	b, ok := secretbox.Open(nil, message[16:], nonceOf(prefix, message[8:16]), &shared)
	if !ok {
		p.tb.Fatal("MESSAGE cannot be opened")
	}
	return b[0], string(b[1:])
}

// The prefixes of MESSAGE's nonces.
const (
	byClient = "CurveZMQMESSAGEC"
	byServer = "CurveZMQMESSAGES"
)
