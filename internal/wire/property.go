package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Names of the properties that this engine writes, in the spelling that libzmq
// insists on.
const (
	PropertySocketType = "Socket-Type"
	PropertyIdentity   = "Identity"
)

// Property is one item of a connection's metadata (RFC 37, "Connection Metadata").
type Property struct {
	Name  string // 1 to 255 bytes; compared without case
	Value []byte
}

// Properties is the metadata of one end of a connection, in the order sent.
type Properties []Property

// Get returns the value of the first property called name, without regard to
// case, and whether there is one.
func (p Properties) Get(name string) (value []byte, ok bool) {
	for _, prop := range p {
		if strings.EqualFold(prop.Name, name) {
			return prop.Value, true
		}
	}
	return nil, false
}

// Append appends the encoded properties to dst.
func (p Properties) Append(dst []byte) []byte {
	for _, prop := range p {
		dst = AppendProperty(dst, prop.Name, prop.Value)
	}
	return dst
}

// AppendProperty appends one encoded property to dst. It panics when the name is
// empty or longer than 255 bytes, or the value longer than 2^31-1: the caller
// checks what users give.
func AppendProperty(dst []byte, name string, value []byte) []byte {
	if len(name) == 0 || len(name) > 255 {
		panic("wire: property name must have 1 to 255 bytes: " + name)
	}
	if len(value) > math.MaxInt32 {
		panic("wire: value of property " + name + " is longer than 2^31-1 bytes")
	}
	dst = append(append(dst, byte(len(name))), name...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(value)))
	return append(dst, value...)
}

// ParseProperties decodes metadata to its end. The values are slices of b. Names
// are taken with any characters, as libzmq lets its users choose them.
func ParseProperties(b []byte) (Properties, error) {
	var props Properties
	for len(b) > 0 {
		prop, rest, err := parseProperty(b)
		if err != nil {
			return nil, fmt.Errorf("metadata property %d: %w", len(props)+1, err)
		}
		props = append(props, prop)
		b = rest
	}
	return props, nil
}

func parseProperty(b []byte) (prop Property, rest []byte, err error) {
	nameEnd := 1 + int(b[0])
	if nameEnd == 1 {
		return prop, nil, errors.New("name is empty")
	}
	if len(b) < nameEnd {
		return prop, nil, fmt.Errorf("name of %d bytes is cut off after %d", nameEnd-1, len(b)-1)
	}
	name := b[1:nameEnd]
	b = b[nameEnd:]
	if len(b) < 4 {
		return prop, nil, fmt.Errorf("size of %q is cut off", name)
	}
	size := int64(binary.BigEndian.Uint32(b))
	b = b[4:]
	if size > int64(len(b)) {
		return prop, nil, fmt.Errorf("value of %q claims %d bytes, of which %d are there", name, size, len(b))
	}
	return Property{Name: string(name), Value: b[:size:size]}, b[size:], nil
}
