package runner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/experimance/experimance-go/bench/internal/engine"
	"github.com/experimance/experimance-go/bench/internal/peer"
)

// trial is one run of one engine: its processes.
type trial struct {
	*session
	target Target
	fail   context.CancelCauseFunc // ends the trial's context
	procs  []*proc
	server *proc  // that of the engine, which is among procs; nil where it has none
	dir    string // of an ipc endpoint; empty for others
}

// try does something with processes of an engine, and ends them. The context ends when one of them does, or fails.
func (s *session) try(ctx context.Context, t Target, do func(context.Context, *trial) error) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	tr := &trial{session: s, target: t, fail: fail}
	defer tr.close()
	return do(ctx, tr)
}

// start starts a peer of the trial's engine, or of another target.
func (tr *trial) start(ctx context.Context, t Target, spec peer.Spec) (*proc, error) {
	p, err := start(ctx, tr.fail, t, spec)
	if err != nil {
		return nil, err
	}
	tr.procs = append(tr.procs, p)
	return p, nil
}

// bind starts a peer that binds, and returns where.
func (tr *trial) bind(ctx context.Context, carrier string, spec peer.Spec) (*proc, string, error) {
	endpoint, err := tr.endpoint(ctx, carrier)
	if err != nil {
		return nil, "", err
	}
	spec.Bind, spec.Endpoint = true, endpoint
	p, err := tr.start(ctx, tr.target, spec)
	if err != nil {
		return nil, "", err
	}
	bound, err := p.expect(ctx, peer.Bound)
	return p, bound, err
}

// pair starts the peer that binds, and then the other one, which connects to it.
func (tr *trial) pair(ctx context.Context, carrier string, binder, connector peer.Spec) (bound, connected *proc, err error) {
	binder.Peers, connector.Peers = connector.Sockets, binder.Sockets
	bound, connector.Endpoint, err = tr.bind(ctx, carrier, binder)
	if err != nil {
		return nil, nil, err
	}
	connected, err = tr.start(ctx, tr.target, connector)
	return bound, connected, err
}

// endpoint returns what to bind to: the engine's server, which it starts, or a free place of the carrier.
func (tr *trial) endpoint(ctx context.Context, carrier string) (endpoint string, err error) {
	switch {
	case tr.target.broker && carrier == engine.TCP:
		if tr.server, err = tr.start(ctx, tr.target, peer.Spec{Role: peer.Serve}); err != nil {
			return "", err
		}
		return tr.server.expect(ctx, peer.Bound)
	case carrier == engine.IPC:
		if tr.dir, err = os.MkdirTemp("", "bench-"); err != nil {
			return "", fmt.Errorf("runner: make a folder for an ipc endpoint: %w", err)
		}
		return "ipc://" + filepath.Join(tr.dir, "socket"), nil
	case carrier == engine.Inproc:
		return "inproc://bench", nil
	default:
		return "tcp://127.0.0.1:*", nil
	}
}

// close ends all processes, the last first.
func (tr *trial) close() {
	for i := len(tr.procs) - 1; i >= 0; i-- {
		tr.procs[i].close()
	}
	if tr.dir != "" {
		_ = os.RemoveAll(tr.dir) // a leftover in the temporary folder does no harm
	}
}
