package runner

import (
	"context"
	"maps"

	"github.com/experimance/experimance-go/bench/internal/peer"
	"github.com/experimance/experimance-go/bench/internal/report"
)

// sinkBinds measures a flood whose receiver binds.
func sinkBinds(ctx context.Context, tr *trial, w Work) (report.Sample, error) {
	sink, source, err := tr.pair(ctx, w.carrier, w.sink, w.source)
	if err != nil {
		return nil, err
	}
	return flood(ctx, source, sink)
}

// sourceBinds measures a flood whose sender, a publisher, binds.
func sourceBinds(ctx context.Context, tr *trial, w Work) (report.Sample, error) {
	source, sink, err := tr.pair(ctx, w.carrier, w.source, w.sink)
	if err != nil {
		return nil, err
	}
	sample, err := flood(ctx, source, sink)
	if err != nil {
		return nil, err
	}
	// A publication is one message to every subscriber, or, with topics, to a subscriber in so many.
	subscribers := float64(w.sink.Sockets)
	if w.sink.Topics > 0 {
		sample["rate"] *= float64(w.sink.Topics) / subscribers
		subscribers = 1
	}
	sample["delivered"] = sample["rate"] / (sample["sent"] * subscribers)
	return sample, nil
}

// flood has the source send, once something has reached every socket of the sink, until the sink has its result. The
// sample is the sink's, with the source's rate as "sent".
func flood(ctx context.Context, source, sink *proc) (report.Sample, error) {
	if _, err := sink.expect(ctx, peer.Ready); err != nil {
		return nil, err
	}
	source.tell(peer.Go)
	received, err := sink.result(ctx)
	if err != nil {
		return nil, err
	}
	source.tell(peer.Stop)
	sent, err := source.result(ctx)
	if err != nil {
		return nil, err
	}
	sample := report.Sample{"sent": sent["rate"]}
	for _, name := range []string{"allocs", "cpu_ns"} {
		rename(sample, "send_"+name, sent, name)
		rename(sample, "recv_"+name, received, name)
	}
	maps.Copy(sample, received)
	return sample, nil
}

// rename moves a value, where there is one.
func rename(to report.Sample, as string, from report.Sample, name string) {
	if value, ok := from[name]; ok {
		to[as] = value
		delete(from, name)
	}
}

// roundTrips measures requests and their replies.
func roundTrips(ctx context.Context, tr *trial, w Work) (report.Sample, error) {
	_, source, err := tr.pair(ctx, w.carrier, w.sink, w.source)
	if err != nil {
		return nil, err
	}
	return source.result(ctx)
}

// oneProcess measures a peer that is both sides.
func oneProcess(ctx context.Context, tr *trial, w Work) (report.Sample, error) {
	p, _, err := tr.bind(ctx, w.carrier, w.sink)
	if err != nil {
		return nil, err
	}
	if _, err := p.expect(ctx, peer.Ready); err != nil {
		return nil, err
	}
	return p.result(ctx)
}
