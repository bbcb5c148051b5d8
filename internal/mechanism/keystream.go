//lint:file-ignore SA1019 CURVE is built of these primitives, in a way for which there is no other package

package mechanism

import (
	"encoding/binary"

	"golang.org/x/crypto/poly1305"      //nolint:staticcheck // as above
	"golang.org/x/crypto/salsa20/salsa" //nolint:staticcheck // as above
)

// The keystream of XSalsa20 is made in blocks. The first two of a nonce are its head:
// they hold the key of Poly1305 and what small frames are encrypted with. Heads are made
// in advance for several nonces at once, since nonces count.
const (
	blockSize = 64
	headSize  = 2 * blockSize
	heads     = 4
	tagKey    = 32 // bytes of the head that Poly1305 takes
)

// keystream is that of one direction of a connection.
type keystream struct {
	// key is that of Salsa20. XSalsa20 derives it from the box's key and the first 16
	// bytes of the nonce, which are the same in all MESSAGE commands of a direction:
	// here that is done once.
	key   [32]byte
	first uint64 // the short nonce of the first of the heads
	heads [heads * headSize]byte
}

// init makes the keystream for nonces that begin with prefix and go on from count.
func (k *keystream) init(box *boxKey, prefix string, count uint64) {
	var front [16]byte
	copy(front[:], prefix)
	deriveKey(&k.key, &front, (*[32]byte)(box))
	k.fill(count)
}

// fill makes the heads from this short nonce on.
func (k *keystream) fill(count uint64) {
	k.first = count
	fillHeads(&k.heads, &k.key, count)
}

// head returns the first two blocks of a nonce. They are valid until the next call.
func (k *keystream) head(count uint64) *[headSize]byte {
	i := count - k.first
	if i >= heads {
		k.fill(count)
		i = 0
	}
	return (*[headSize]byte)(k.heads[i*headSize:])
}

// xorTail does what salsa.XORKeyStream does, from the block after the head on.
func (k *keystream) xorTail(dst, src []byte, count uint64) {
	block := uint64(headSize / blockSize)
	for ; len(src) > unpreempted; block += unpreempted / blockSize {
		xorFrom(dst[:unpreempted], src[:unpreempted], &k.key, count, block)
		dst, src = dst[unpreempted:], src[unpreempted:]
	}
	xorFrom(dst, src, &k.key, count, block)
}

// unpreempted is how many bytes are encrypted or authenticated with one call. The goroutine can
// hardly be preempted within it, and the garbage collector, which large frames call for, would spin
// all the while.
const unpreempted = 64 << 10

// deriveKey is HSalsa20.
func deriveKey(dst *[32]byte, nonce *[16]byte, key *[32]byte) {
	salsa.HSalsa20(dst, nonce, key, &salsa.Sigma)
}

// authenticate writes the authenticator of what was encrypted with a nonce of this head.
func authenticate(tag *[boxOverhead]byte, secret []byte, head *[headSize]byte) {
	mac := poly1305.New((*[tagKey]byte)(head[:]))
	feed(mac, secret)
	mac.Sum(tag[:0])
}

// authentic compares it, in constant time.
func authentic(tag *[boxOverhead]byte, secret []byte, head *[headSize]byte) bool {
	mac := poly1305.New((*[tagKey]byte)(head[:]))
	feed(mac, secret)
	return mac.Verify(tag[:])
}

// feed gives mac the secret.
func feed(mac *poly1305.MAC, secret []byte) {
	for len(secret) > unpreempted {
		_, _ = mac.Write(secret[:unpreempted]) // it never fails
		secret = secret[unpreempted:]
	}
	_, _ = mac.Write(secret)
}

// position is the input of Salsa20 that is a short nonce and the number of a block.
type position [16]byte

// set writes into the caller's memory: a pointer to an array of its own would allocate for
// each call on arm and riscv64, whose compilers do not inline it.
func (p *position) set(count, block uint64) *[16]byte {
	binary.BigEndian.PutUint64(p[:], count)
	binary.LittleEndian.PutUint64(p[8:], block)
	return (*[16]byte)(p)
}

// fillHeadsPortable is fillHeads for all processors.
func fillHeadsPortable(dst *[heads * headSize]byte, key *[32]byte, count uint64) {
	clear(dst[:])
	var p position
	for i := range uint64(heads) {
		head := dst[i*headSize:][:headSize]
		salsa.XORKeyStream(head, head, p.set(count+i, 0), key)
	}
}

// xorFromPortable is xorFrom for all processors.
func xorFromPortable(dst, src []byte, key *[32]byte, count, block uint64) {
	var p position
	salsa.XORKeyStream(dst, src, p.set(count, block), key)
}
