package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/experimance/experimance-go/service"
)

// sender is a command that sends messages.
type sender struct {
	name   string // of the command, for errors
	stderr io.Writer
	svc    service.Lifecycle

	// send sends a message. An error concerns this message alone, unless the context has ended.
	send func(ctx context.Context, text []byte) error

	// dropped returns how many messages were dropped, when the service has stopped; lossy says that this is no failure.
	dropped func() uint64
	lossy   bool
}

// run sends the messages with a service that has been started, and stops it. A message that cannot be sent is told on
// standard error, and the others are sent.
func (s sender) run(ctx context.Context, messages <-chan input) error {
	sent, refused, err := s.sendAll(ctx, messages)
	_, stopping := s.svc.Stop(context.WithoutCancel(ctx))
	dropped := s.dropped()
	if dropped > 0 {
		fmt.Fprintf(s.stderr, "%s: %d messages were dropped: a peer is gone or too slow\n", s.name, dropped)
	}
	switch {
	case err != nil:
		return err
	case stopping != nil:
		return failure(stopping)
	case refused > 0:
		return failure(fmt.Errorf("%d messages sent, %d refused", sent, refused))
	case dropped > 0 && !s.lossy:
		return &statusError{exitFailure, nil}
	}
	return nil
}

func (s sender) sendAll(ctx context.Context, messages <-chan input) (sent, refused int, err error) {
	for {
		var m input
		var more bool
		select {
		case m, more = <-messages:
		case <-ctx.Done():
		}
		switch {
		case ctx.Err() != nil:
			return sent, refused, unfinished(ctx, fmt.Sprintf("after %d messages", sent))
		case !more:
			return sent, refused, nil
		case m.err != nil:
			return sent, refused, failure(m.err)
		}
		err := checkObject(m.text)
		if err == nil {
			err = s.send(ctx, m.text)
		}
		switch {
		case err == nil:
			sent++
		case errors.Is(err, service.ErrStopped), errors.Is(err, service.ErrState):
			return sent, refused, failure(err)
		case ctx.Err() == nil:
			refused++
			fmt.Fprintf(s.stderr, "%s: %s: %v\n", s.name, m.where, err)
		}
	}
}
