package interop_test

import (
	"hash/crc32"
	"slices"
)

// Conditions for peer.expect.

func text(want string) func(event) bool {
	return func(e event) bool { return len(e.Frames) == 1 && e.Frames[0].Text == want }
}

func parts(n int) func(event) bool {
	return func(e event) bool { return len(e.Frames) == n }
}

func topic(want string) func(event) bool {
	return func(e event) bool { return e.Topic == want }
}

func notTopic(unwanted string) func(event) bool {
	return func(e event) bool { return e.Topic != unwanted }
}

// pattern is the body that a bare socket makes for a frame of this size and seed.
func pattern(size, seed int) []byte {
	body := make([]byte, size)
	for i := range body {
		body[i] = byte((i + seed) % 251)
	}
	return body
}

// describe is how a bare socket describes a frame, without the text.
func describe(body []byte) frame {
	return frame{Size: len(body), CRC32: crc32.ChecksumIEEE(body)}
}

func patternFrame(size, seed int) frame {
	return describe(pattern(size, seed))
}

// equalFrames compares sizes and checksums.
func equalFrames(a, b []frame) bool {
	return slices.EqualFunc(a, b, func(a, b frame) bool { return a.Size == b.Size && a.CRC32 == b.CRC32 })
}
