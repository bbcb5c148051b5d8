package messaging

import (
	"context"
	"fmt"
	"sync"
)

// Delivery is one received message, as a Handler gets it.
type Delivery struct {
	// Topic is the topic that it was published on; empty for tasks and results.
	Topic string

	// Payload is the JSON object. It was checked to be UTF-8 between braces, not to be JSON: Decode finds that out.
	// It is valid until the handler returns, must not be written to, and must be copied to be kept.
	Payload []byte

	codec Codec
}

// Decode reads the message into msg, a pointer. Its error is a *BadMessageError; a Handler that returns it has the
// message counted as bad.
func (d Delivery) Decode(msg any) error {
	if err := d.codec.Decode(d.Payload, msg); err != nil {
		return &BadMessageError{Topic: d.Topic, Size: len(d.Payload), Err: err}
	}
	return nil
}

// Handler handles one message. An error that it returns and a panic are recorded as an error of the service, which goes
// on. ctx ends when the service stops; calling the service's Stop in a handler is allowed.
type Handler func(ctx context.Context, d Delivery) error

// BadMessageError is a received message that could not be read.
type BadMessageError struct {
	Topic string // the topic, where one could be found
	Size  int    // bytes
	Err   error  // what is wrong with it
}

// Error tells the topic, the size and what is wrong.
func (e *BadMessageError) Error() string {
	if e.Topic == "" {
		return fmt.Sprintf("messaging: bad message of %d bytes: %v", e.Size, e.Err)
	}
	return fmt.Sprintf("messaging: bad message of %d bytes on topic %q: %v", e.Size, e.Topic, e.Err)
}

// Unwrap returns what is wrong with the message.
func (e *BadMessageError) Unwrap() error { return e.Err }

// decoder decodes deliveries into values of T. It may be used by many goroutines at once.
type decoder[T any] struct {
	targets sync.Pool // of *T, all zero: so that a message costs no allocation for T itself
}

func (dec *decoder[T]) decode(d Delivery) (msg T, err error) {
	target, ok := dec.targets.Get().(*T)
	if !ok {
		target = new(T)
	}
	err = d.Decode(target)
	var zero T
	msg, *target = *target, zero
	dec.targets.Put(target)
	return msg, err
}

// typed makes a Handler of one that takes decoded messages. A message that cannot be decoded does not reach it.
func typed[T any](handle func(ctx context.Context, topic string, msg T) error) Handler {
	var messages decoder[T]
	return func(ctx context.Context, d Delivery) error {
		msg, err := messages.decode(d)
		if err != nil {
			return err
		}
		return handle(ctx, d.Topic, msg)
	}
}
