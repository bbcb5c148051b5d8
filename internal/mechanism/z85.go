package mechanism

import (
	"encoding/binary"
	"fmt"
	"math"
)

// z85Digits are the digits of Z85 in the order of their value (RFC 32).
const z85Digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

// noDigit is the value of a byte that is no digit.
const noDigit = 0xff

// z85Values are the values of the digits, by their byte.
var z85Values = func() (values [256]byte) {
	for i := range values {
		values[i] = noDigit
	}
	for i := range len(z85Digits) {
		values[z85Digits[i]] = byte(i)
	}
	return values
}()

// EncodeZ85 returns b as Z85 text (RFC 32), the form in which ZeroMQ writes keys: five
// characters for each four bytes. The number of bytes must be a multiple of four.
func EncodeZ85(b []byte) (string, error) {
	if len(b)%4 != 0 {
		return "", fmt.Errorf("encode Z85: %d bytes are no multiple of 4", len(b))
	}
	return string(appendZ85(make([]byte, 0, len(b)/4*5), b)), nil
}

// appendZ85 appends the text for b, whose length is a multiple of four.
func appendZ85(dst, b []byte) []byte {
	for ; len(b) > 0; b = b[4:] {
		var group [5]byte
		n := binary.BigEndian.Uint32(b)
		for i := len(group) - 1; i >= 0; i-- {
			group[i] = z85Digits[n%85]
			n /= 85
		}
		dst = append(dst, group[:]...)
	}
	return dst
}

// DecodeZ85 returns the bytes that a Z85 text stands for. The number of characters must
// be a multiple of five, and each group of five worth less than 2^32. Errors tell where
// the text is wrong and do not quote it, since it may be a secret.
func DecodeZ85(text string) ([]byte, error) {
	if len(text)%5 != 0 {
		return nil, fmt.Errorf("decode Z85: %d characters are no multiple of 5", len(text))
	}
	b := make([]byte, 0, len(text)/5*4)
	for at := 0; at < len(text); at += 5 {
		var n uint64
		for i := range 5 {
			value := z85Values[text[at+i]]
			if value == noDigit {
				return nil, fmt.Errorf("decode Z85: character %d is not one of the 85", at+i+1)
			}
			n = 85*n + uint64(value)
		}
		if n > math.MaxUint32 {
			return nil, fmt.Errorf("decode Z85: the group at character %d is worth more than 4 bytes hold", at+1)
		}
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	return b, nil
}
