package peer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// Shape is the shape of the messages of a stream. The frames of a message are a function of its
// stream and number, so that a receiver can verify them. libzmq/peer.c has the same function.
type Shape string

// The shapes.
const (
	Small Shape = "small" // one frame of some 24 to 124 bytes
	Mixed Shape = "mixed" // one frame, mostly up to 1 KiB, sometimes up to 64 KiB
	Large Shape = "large" // one frame, mostly up to 32 KiB, sometimes up to 1 MiB
	Parts Shape = "parts" // one to four frames, mostly up to 256 bytes each, sometimes none
)

// headerSize is the size of the header of the first frame: stream, number, size of all frames, and
// number of frames.
const headerSize = 24

// Sizes returns the sizes of a message's frames.
func Sizes(shape Shape, stream, number uint64) []int {
	h := mix(stream<<32 ^ number)
	switch shape {
	case Mixed:
		if h%64 == 0 {
			return []int{headerSize + int(h>>8%(64<<10))}
		}
		return []int{headerSize + int(h>>8%1000)}
	case Large:
		if h%32 == 0 {
			return []int{headerSize + int(h>>8%(1<<20))}
		}
		return []int{headerSize + int(h>>8%(32<<10))}
	case Parts:
		sizes := []int{headerSize + int(h>>8%256)}
		for i := range int(h % 4) {
			sizes = append(sizes, max(int(h>>(16+8*i)%320)-64, 0))
		}
		return sizes
	}
	return []int{headerSize + int(h%100)}
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// WireSize returns the size of a message on the wire.
func WireSize(sizes []int, curve bool) (size uint64) {
	for _, n := range sizes {
		if curve { // command name, nonce, authenticator, flags
			n += 8 + 8 + 16 + 1
		}
		size += uint64(n) + 2
		if n > 255 {
			size += 7
		}
	}
	return size
}

// build makes a message.
func build(shape Shape, stream, number uint64) [][]byte {
	sizes := Sizes(shape, stream, number)
	frames := make([][]byte, len(sizes))
	total := 0
	for i, n := range sizes {
		frames[i] = bytes.Repeat([]byte{fill(number, i)}, n)
		total += n
	}
	h := frames[0][:0]
	h = binary.BigEndian.AppendUint64(h, stream)
	h = binary.BigEndian.AppendUint64(h, number)
	h = binary.BigEndian.AppendUint32(h, uint32(total))
	binary.BigEndian.AppendUint32(h, uint32(len(frames)))
	return frames
}

// fill returns the byte that fills a frame.
func fill(number uint64, frame int) byte { return byte(number*31 + uint64(frame)) }

// parse returns the stream and the number of a message. It fails if the message is damaged.
func parse(shape Shape, frames [][]byte) (stream, number uint64, err error) {
	if len(frames) == 0 || len(frames[0]) < headerSize {
		return 0, 0, fmt.Errorf("a message of %d frames without a header", len(frames))
	}
	stream, number = binary.BigEndian.Uint64(frames[0]), binary.BigEndian.Uint64(frames[0][8:])
	if want := build(shape, stream, number); !slices.EqualFunc(frames, want, bytes.Equal) {
		return stream, number, fmt.Errorf("message %d of stream %d is damaged: %d frames, want %d of %v bytes",
			number, stream, len(frames), len(want), Sizes(shape, stream, number))
	}
	return stream, number, nil
}
