package wire

import (
	"encoding/binary"
	"fmt"
)

// Flags of a frame (RFC 37, "Framing").
const (
	FlagMore    = 1 // another frame of the same message follows
	FlagLong    = 2 // the size takes eight bytes instead of one
	FlagCommand = 4 // the frame is a command, no part of a message
)

// MaxHeader is the length in bytes of the longest frame header.
const MaxHeader = 9

// Sizes of the commands whose LONG flag libzmq 4.3.3 and 4.3.4 forget: SUBSCRIBE
// (10 bytes of name) and CANCEL (7) with a topic of at most 255 bytes, which
// makes the body longer than 255.
const (
	minUnflagged = 256
	maxUnflagged = 265
)

// HeaderSize returns the length in bytes of the header that AppendHeader makes for a
// body of size bytes.
func HeaderSize(size int) int {
	if size <= 255 {
		return 2
	}
	return MaxHeader
}

// AppendHeader appends the header of a frame with a body of size bytes. Of flags
// it takes [FlagMore] and [FlagCommand]; the short or the long form follows from
// the size.
func AppendHeader(dst []byte, flags byte, size int) []byte {
	if size <= 255 {
		return append(dst, flags&^FlagLong, byte(size))
	}
	return binary.BigEndian.AppendUint64(append(dst, flags|FlagLong), uint64(size))
}

// ParseHeader decodes the frame header at the front of b: its flags, the size of
// the body, and the header's own length n, 2 or 9. When b is too short to tell,
// n is 0 and err nil. An error means that the stream cannot be followed further:
// reserved bits are set, a command claims to have more frames, a size is above
// 2^63-1, or a command is empty. The size is the peer's claim and not yet held
// against any limit.
//
// libzmq 4.3.3 and 4.3.4 leave out the LONG flag, but still write eight bytes of
// size, for a SUBSCRIBE of 246 to 255 bytes of topic and a CANCEL of 249 to 255.
// Such a header reads 04 00 00 00 00 00 00 01 0x, so its front is that of an empty
// command. That is no legal frame, as a command has at least a name (RFC 37,
// "Formal Grammar"), and the sizes possible are 256 to 265: the case can be told
// apart with certainty and is returned as if the flag were there.
//
// The same versions leave the flag out for a topic of 255 bytes in the message form,
// 00 00 00 00 00 00 00 01 00 01 and the topic. That cannot be told from four empty
// messages and what follows, but is sent only to ends that announce ZMTP 3.0, and
// ours announces 3.1.
func ParseHeader(b []byte) (flags byte, size int64, n int, err error) {
	if len(b) >= 2 && b[0] <= FlagMore {
		return b[0], int64(b[1]), 2, nil // nearly all frames
	}
	if len(b) == 0 {
		return 0, 0, 0, nil
	}
	flags = b[0]
	if flags&^(FlagMore|FlagLong|FlagCommand) != 0 {
		return 0, 0, 0, fmt.Errorf("frame flags %#02x have reserved bits set", flags)
	}
	if flags&FlagCommand != 0 && flags&FlagMore != 0 {
		return 0, 0, 0, fmt.Errorf("frame flags %#02x announce more frames of a command", flags)
	}
	if flags&FlagLong != 0 {
		return parseLong(b)
	}
	if len(b) < 2 {
		return 0, 0, 0, nil
	}
	if b[1] == 0 && flags == FlagCommand {
		return parseUnflagged(b)
	}
	return flags, int64(b[1]), 2, nil
}

func parseLong(b []byte) (flags byte, size int64, n int, err error) {
	if len(b) < MaxHeader {
		return 0, 0, 0, nil
	}
	size = int64(binary.BigEndian.Uint64(b[1:]))
	if size < 0 {
		return 0, 0, 0, fmt.Errorf("frame size %#x is above 2^63-1", uint64(size))
	}
	return b[0], size, MaxHeader, nil
}

// parseUnflagged decodes the long header without its LONG flag that libzmq 4.3.3
// and 4.3.4 write. It refuses anything else at the first byte that differs, so
// that a peer which sends an empty command is not waited for.
func parseUnflagged(b []byte) (flags byte, size int64, n int, err error) {
	have := min(len(b), MaxHeader)
	for i, c := range b[1:have] {
		if i < 6 && c != 0 || i == 6 && c != minUnflagged>>8 || i == 7 && c > maxUnflagged&0xff {
			return 0, 0, 0, errEmptyCommand
		}
	}
	if have < MaxHeader {
		return 0, 0, 0, nil
	}
	return FlagCommand | FlagLong, int64(binary.BigEndian.Uint64(b[1:])), MaxHeader, nil
}
