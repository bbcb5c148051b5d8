package zmtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
)

// protocolError marks errors of the peer's making, as opposed to the network's.
type protocolError struct{ error }

func (e protocolError) Unwrap() error { return e.error }

// errSlow is why the context of a handshake has ended when its time is up.
var errSlow = fmt.Errorf("peer was not done in time: %w", os.ErrDeadlineExceeded)

// explainedError is a cause in words that tell more than the cause's own.
type explainedError struct {
	text  string
	cause error
}

func (e *explainedError) Error() string { return e.text }

func (e *explainedError) Unwrap() error { return e.cause }

// failure classifies err. An error of the network is but a consequence when the
// context has ended.
func (h *handshake) failure(ctx context.Context, addr string, err error) *HandshakeError {
	failed := &HandshakeError{Stage: h.stage, Kind: KindNetwork, Peer: addr, Silent: h.server && h.in.got == 0, Err: err}
	var protocol protocolError
	switch {
	case errors.As(err, &protocol):
		failed.Kind, failed.Err = KindProtocol, protocol.error
		if errors.Is(err, mechanism.ErrAuthentication) {
			failed.Kind = KindAuthentication
		}
	case errors.Is(context.Cause(ctx), errSlow):
		due, causes := h.missing()
		failed.Err = explain(errSlow, fmt.Sprintf("peer was not done within %v: it has not sent %s", h.cfg.timeout(), due), causes)
	case ctx.Err() != nil:
		failed.Err = context.Cause(ctx)
	default:
		failed.Err = h.hungUp(err)
	}
	return failed
}

// hungUp explains the end of the connection, or another error of the network.
func (h *handshake) hungUp(err error) error {
	if h.agreed {
		return fmt.Errorf("the connection broke before the peer was told that it is accepted: %w", err)
	}
	text, sender := "peer closed the connection", "it"
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	} else {
		text, sender = fmt.Sprintf("the connection broke (%v)", err), "the peer"
	}
	due, causes := h.missing()
	if h.asked {
		return explain(err, text+" instead of answering with "+due, causes)
	}
	return explain(err, text+" before "+sender+" sent "+due, causes)
}

func explain(cause error, text, causes string) error {
	if causes != "" {
		text += ": " + causes
	}
	return &explainedError{text, cause}
}

// missing returns what the peer has to send next, and the likely causes if it does not. libzmq
// closes the connection without an ERROR for another mechanism, another server key and a
// socket type that does not fit its own.
func (h *handshake) missing() (due, causes string) {
	if h.stage == StageSecurity {
		if m, ok := h.mech.(mechanism.Explainer); ok {
			return m.Awaits()
		}
		return "the next command of " + h.mech.Name(), ""
	}
	if h.old {
		return "its socket type and identity", ""
	}
	switch got := h.in.got; {
	case got == 0 && h.server:
		return "anything", "it may be a port scan, a health check or a peer that has given up"
	case got == 0:
		return "anything", "it may not speak ZMTP, or take no more connections at present"
	case got < wire.SignatureSize:
		return "the whole signature of ZMTP", ""
	case got < wire.VersionSize:
		return "its version", "it may only speak an older ZMTP"
	default:
		return "its security mechanism", fmt.Sprintf("that is likely to be another one than ours, %q", h.mech.Name())
	}
}
