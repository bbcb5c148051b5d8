package runner

import (
	"context"
	"math"
	"time"

	"github.com/experimance/experimance-go/bench/internal/peer"
	"github.com/experimance/experimance-go/bench/internal/report"
)

// idleMemory measures the memory of the process that keeps the connections: the publisher, or the engine's server.
func idleMemory(ctx context.Context, tr *trial, w Work) (report.Sample, error) {
	w.source.Peers = w.sink.Sockets
	publisher, bound, err := tr.bind(ctx, w.carrier, w.source)
	if err != nil {
		return nil, err
	}
	keeper := publisher
	if tr.server != nil {
		keeper = tr.server
	}
	before, err := ask(ctx, keeper)
	if err != nil {
		return nil, err
	}
	w.sink.Endpoint = bound
	subscribers, err := tr.start(ctx, tr.crowd, w.sink)
	if err != nil {
		return nil, err
	}
	idle, used, err := subscribed(ctx, publisher, subscribers, keeper)
	if err != nil {
		return nil, err
	}
	each := func(after report.Sample, name string) float64 {
		return (after[name] - before[name]) / float64(w.sink.Sockets)
	}
	sample := report.Sample{"idle": each(idle, "rss"), "used": each(used, "rss")}
	if _, ok := idle["heap"]; ok {
		sample["heap"], sample["stack"] = each(idle, "heap"), each(idle, "stack")
	}
	return sample, nil
}

// subscribed returns the memory with all connections subscribed, and after each has received a message.
func subscribed(ctx context.Context, publisher, subscribers, keeper *proc) (idle, used report.Sample, err error) {
	if _, err := subscribers.expect(ctx, peer.Ready); err != nil {
		return nil, nil, err
	}
	if idle, err = settled(ctx, keeper); err != nil {
		return nil, nil, err
	}
	publisher.tell(peer.Send)
	for _, side := range []*proc{publisher, subscribers} {
		if _, err := side.expect(ctx, peer.Ready); err != nil {
			return nil, nil, err
		}
	}
	used, err = settled(ctx, keeper)
	return idle, used, err
}

// The memory has settled when it changed by less than settledBy from one look to the next.
const (
	settledBy = 0.002
	lookEvery = 300 * time.Millisecond
)

// settled waits until the process has done with what the connections brought, and returns its memory then.
func settled(ctx context.Context, keeper *proc) (report.Sample, error) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for last := math.Inf(1); ; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		now, err := ask(ctx, keeper)
		if err != nil {
			return nil, err
		}
		if math.Abs(now["rss"]-last) < settledBy*last {
			return now, nil
		}
		last = now["rss"]
	}
}
