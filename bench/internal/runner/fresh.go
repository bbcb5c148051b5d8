package runner

import (
	"context"
	"time"

	"github.com/experimance/experimance-go/bench/internal/peer"
	"github.com/experimance/experimance-go/bench/internal/report"
	"github.com/experimance/experimance-go/bench/internal/stats"
)

// freshTime is the longest that a run of first messages may take beside its windows.
const freshTime = 20 * time.Second

// firstMessages measures first messages on connections, each between two processes of its own, for
// the window, and at least one. The sample has the medians.
func firstMessages(ctx context.Context, tr *trial, w Work) (report.Sample, error) {
	all := map[string][]float64{}
	for start, n := time.Now(), 0; n == 0 || time.Since(start) < tr.cfg.Window; n++ {
		err := tr.try(ctx, tr.target, func(ctx context.Context, tr *trial) error {
			sample, err := firstMessage(ctx, tr, w)
			for name, value := range sample {
				all[name] = append(all[name], value)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	sample := report.Sample{}
	for name, values := range all {
		sample[name] = stats.Summarize(values).Median
	}
	return sample, nil
}

// firstMessage has the source send one message when its connection stands. Times of the sample are
// in microseconds.
func firstMessage(ctx context.Context, tr *trial, w Work) (report.Sample, error) {
	sink, source, err := tr.pair(ctx, w.carrier, w.sink, w.source)
	if err != nil {
		return nil, err
	}
	if _, err := source.expect(ctx, peer.Ready); err != nil { // the connection has settled
		return nil, err
	}
	sink.tell(peer.Go)
	if _, err := sink.expect(ctx, peer.Ready); err != nil { // it counts from now on
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
	const microsecond = float64(time.Microsecond)
	sample := report.Sample{
		"time":     (received["at"] - sent["began"]) / microsecond,
		"cpu":      (received["cpu"] + sent["cpu"]) / microsecond,
		"send_cpu": sent["cpu"] / microsecond,
		"recv_cpu": received["cpu"] / microsecond,
	}
	rename(sample, "recv_bytes", received, "bytes")
	return sample, nil
}
