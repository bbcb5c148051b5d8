package messaging

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Codec turns messages into JSON and back. Its methods are called by many goroutines at once.
type Codec interface {
	// Encode appends the JSON text of msg to buf.
	Encode(buf *bytes.Buffer, msg any) error

	// Decode reads the JSON text data into msg, a pointer. It must not keep data.
	Decode(data []byte, msg any) error
}

// JSON is the Codec that services use by default, on github.com/go-json-experiment/json. Names are case-sensitive and
// unknown names are ignored.
//
// It writes strictly: NaN, infinities, strings that are not UTF-8 and a time.Duration without a format are errors. It
// reads what Python's json.dumps writes, lone surrogates included, which become U+FFFD; only NaN and Infinity, which are
// no JSON, and duplicate names are refused.
type JSON struct{}

var _ Codec = JSON{}

// Encode implements Codec.
func (JSON) Encode(buf *bytes.Buffer, msg any) error { return json.MarshalWrite(buf, msg) }

// Decode implements Codec.
func (JSON) Decode(data []byte, msg any) error { return json.Unmarshal(data, msg, readOptions) }

var readOptions = jsontext.AllowInvalidUTF8(true)

// ErrNotObject is in the error for a message that is not a JSON object: nothing else travels between services.
var ErrNotObject = errors.New("not a JSON object")

var (
	errNotUTF8 = errors.New("not UTF-8")
	errNoTopic = errors.New("no topic before the JSON object")
	errParts   = errors.New("not a message of one frame")
)

// encodeObject appends msg, which must encode as a JSON object, to buf.
func encodeObject(codec Codec, buf *bytes.Buffer, msg any) error {
	start := buf.Len()
	if err := codec.Encode(buf, msg); err != nil {
		return fmt.Errorf("encode %T: %w", msg, err)
	}
	if !looksLikeObject(buf.Bytes()[start:]) {
		return fmt.Errorf("a %T is %w; send a struct or a map", msg, ErrNotObject)
	}
	return nil
}

// appendObject appends JSON text to buf that the caller made, after a check: what was received can be sent on.
func appendObject(buf *bytes.Buffer, object []byte) error {
	if err := checkObject(object); err != nil {
		return fmt.Errorf("%.40q: %w", object, err)
	}
	if !jsontext.Value(object).IsValid(readOptions) {
		var v jsontext.Value
		return fmt.Errorf("%.40q: %w: %w", object, ErrNotObject, json.Unmarshal(object, &v, readOptions)) // says where
	}
	buf.Write(object)
	return nil
}

// looksLikeObject is the cheap check: text that begins and ends as an object does.
func looksLikeObject(b []byte) bool {
	b = bytes.TrimSpace(b)
	return len(b) >= 2 && b[0] == '{' && b[len(b)-1] == '}'
}

// checkObject is the check of each received message. Whether the text between the braces is JSON is found by decoding.
func checkObject(payload []byte) error {
	switch {
	case !looksLikeObject(payload):
		return ErrNotObject
	case !utf8.Valid(payload):
		return errNotUTF8
	}
	return nil
}

// splitFrame cuts a published frame into its topic and its JSON object.
func splitFrame(frame []byte) (topic, object []byte, err error) {
	i := bytes.IndexByte(frame, ' ')
	if i <= 0 || !utf8.Valid(frame[:i]) {
		return nil, nil, errNoTopic
	}
	return frame[:i], frame[i+1:], checkObject(frame[i+1:])
}

// Buffers above this capacity are not kept for the next message.
const maxPooledBuffer = 1 << 20

var bufferPool = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func getBuffer() *bytes.Buffer {
	buf := bufferPool.Get().(*bytes.Buffer)
	buf.Reset()
	return buf
}

func putBuffer(buf *bytes.Buffer) {
	if buf.Cap() <= maxPooledBuffer {
		bufferPool.Put(buf)
	}
}
