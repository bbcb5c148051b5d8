package runner

import (
	"context"
	"time"

	"github.com/experimance/experimance-go/bench/internal/peer"
	"github.com/experimance/experimance-go/bench/internal/report"
)

// comeAndGo measures a publisher to which a subscriber comes, and which it leaves. Times of the
// sample are in microseconds.
func comeAndGo(ctx context.Context, tr *trial, w Work) (report.Sample, error) {
	publisher, subscriber, err := tr.pair(ctx, w.carrier, w.source, w.sink)
	if err != nil {
		return nil, err
	}
	if _, err := subscriber.expect(ctx, peer.Ready); err != nil {
		return nil, err
	}
	if _, err := ask(ctx, publisher); err != nil { // it counts from now on
		return nil, err
	}
	subscriber.tell(peer.Go)
	subscribed, err := subscriber.result(ctx)
	if err != nil {
		return nil, err
	}
	coming, err := ask(ctx, publisher)
	if err != nil {
		return nil, err
	}
	subscriber.close()
	select {
	case <-time.After(tr.cfg.Window):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	going, err := ask(ctx, publisher)
	if err != nil {
		return nil, err
	}
	const microsecond = float64(time.Microsecond)
	return report.Sample{
		"time":        subscribed["time"] / microsecond,
		"cpu":         coming["cpu"] / microsecond,
		"worst":       coming["worst"] / microsecond,
		"leave_cpu":   going["cpu"] / microsecond,
		"leave_worst": going["worst"] / microsecond,
	}, nil
}

// ask has a peer report.
func ask(ctx context.Context, p *proc) (report.Sample, error) {
	p.tell(peer.Mem)
	return p.result(ctx)
}

// knockWindows is for how many windows a socket tries to connect: long enough for waits between
// attempts to grow.
const knockWindows = 10

// knocking measures a process whose endpoints all refuse.
func knocking(ctx context.Context, tr *trial, w Work) (report.Sample, error) {
	w.sink.Window *= knockWindows
	p, err := tr.start(ctx, tr.target, w.sink)
	if err != nil {
		return nil, err
	}
	used, err := p.result(ctx)
	if err != nil {
		return nil, err
	}
	return report.Sample{"cpu": used["cpu"] / float64(time.Microsecond)}, nil
}
