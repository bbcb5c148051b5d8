package report

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/experimance/experimance-go/bench/internal/svg"
)

// plot is one image: a bar of every engine for each of its items.
type plot struct {
	file  string
	title string
	unit  Unit
	items []item
}

// item is a group of bars: a metric of a work.
type item struct{ label, work, metric string }

var plots = []plot{
	{"push-pull.svg", "PUSH to PULL over tcp, by size of message", PerSecond, []item{
		{"16 B", "push-pull/tcp/16B", "rate"},
		{"64 B", "push-pull/tcp/64B", "rate"},
		{"256 B", "push-pull/tcp/256B", "rate"},
		{"1 KiB", "push-pull/tcp/1KiB", "rate"},
		{"8 KiB", "push-pull/tcp/8KiB", "rate"},
		{"64 KiB", "push-pull/tcp/64KiB", "rate"},
		{"1 MiB", "push-pull/tcp/1MiB", "rate"},
	}},
	{"pub-sub.svg", "PUB to SUB over tcp, 64 B, by number of subscribers: deliveries; publications on 10,000 topics", PerSecond, []item{
		{"all, 1", "pub-sub/all/1", "rate"},
		{"all, 10", "pub-sub/all/10", "rate"},
		{"all, 100", "pub-sub/all/100", "rate"},
		{"no limit, 1", "pub-sub/unbounded/1", "rate"},
		{"no limit, 10", "pub-sub/unbounded/10", "rate"},
		{"no limit, 100", "pub-sub/unbounded/100", "rate"},
		{"topics, 1", "pub-sub/topics/1", "rate"},
		{"topics, 10", "pub-sub/topics/10", "rate"},
		{"topics, 100", "pub-sub/topics/100", "rate"},
	}},
	{"latency.svg", "Latency over tcp, 64 B: round trip, and one way under load (less is better)", Microseconds, []item{
		{"request p50", "req-rep/tcp/64B", "p50"},
		{"request p99", "req-rep/tcp/64B", "p99"},
		{"½ own load p50", "load/half-own", "p50"},
		{"½ own load p99", "load/half-own", "p99"},
		{"½ libzmq load p50", "load/half-libzmq", "p50"},
		{"½ libzmq load p99", "load/half-libzmq", "p99"},
	}},
	{"carriers.svg", "PUSH to PULL by other ways", PerSecond, []item{
		{"8 senders, 64 B", "many-to-one/tcp/8", "rate"},
		{"3 × 64 B", "multipart/tcp/3x64B", "rate"},
		{"ipc 64 B", "push-pull/ipc/64B", "rate"},
		{"ipc 64 KiB", "push-pull/ipc/64KiB", "rate"},
		{"inproc 64 B", "push-pull/inproc/64B", "rate"},
		{"CURVE 64 B", "curve/tcp/64B", "rate"},
		{"CURVE 64 KiB", "curve/tcp/64KiB", "rate"},
	}},
	{"fresh.svg", "First message of a connection: processor time of both processes (less is better)", Microseconds, []item{
		{"1 MB", "fresh/tcp/1MB", "cpu"},
		{"64 MB", "fresh/tcp/64MB", "cpu"},
		{"256 MB", "fresh/tcp/256MB", "cpu"},
		{"8,000 × 1 KiB", "fresh/tcp/8000x1KiB", "cpu"},
		{"1,000,000 × 1 B", "fresh/tcp/1000000x1B", "cpu"},
		{"2,000,000 × 1 B", "fresh/tcp/2000000x1B", "cpu"},
		{"CURVE 64 MB", "fresh/curve/64MB", "cpu"},
		{"CURVE 8,000 × 1 KiB", "fresh/curve/8000x1KiB", "cpu"},
	}},
	{"memory.svg", "Memory of a publisher for each idle subscriber (less is better)", Bytes, []item{
		{"connected and subscribed", "idle/tcp", "idle"},
		{"after one message", "idle/tcp", "used"},
	}},
}

// colors tell the engines apart on white and on black, also for readers who see fewer colors.
var colors = map[string]string{
	"libzmq": "#0072b2", "pebbe": "#56b4e9", "go-zeromq": "#e69f00", "nats": "#009e73", "raw-go": "#8c8c8c",
	Subject: "#d55e00",
}

// otherColor is that of Subject at another revision.
const otherColor = "#cc79a7"

// axisNames say what is drawn.
var axisNames = map[Unit]string{
	PerSecond: "messages a second", Microseconds: "microseconds", Bytes: "bytes",
}

// axisSteps are the ratios between an axis' lines.
var axisSteps = map[Unit]float64{PerSecond: 10, Microseconds: 10, Bytes: 4}

// WritePlots draws what was measured into a folder; a plot of which nothing was measured is left out.
func (r Results) WritePlots(dir string) error {
	for _, p := range plots {
		bars, ok := p.bars(r)
		if !ok {
			continue
		}
		var text strings.Builder
		if _, err := bars.WriteTo(&text); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, p.file), []byte(text.String()), 0o644); err != nil {
			return fmt.Errorf("report: draw a plot: %w", err)
		}
	}
	return nil
}

// bars returns the chart of what was measured, if anything was.
func (p plot) bars(r Results) (svg.Bars, bool) {
	bars := svg.Bars{
		Title: p.title,
		Subtitle: fmt.Sprintf("%s, median and range of %d rounds, logarithmic scale, two processes on %d cores (%s)",
			axisNames[p.unit], r.Environment.Rounds, r.Environment.Cores, r.Environment.CPU),
		Format: p.unit.Format,
		Step:   axisSteps[p.unit],
	}
	series := map[string]*svg.Series{}
	var order []string
	for i, it := range p.items {
		bars.Groups = append(bars.Groups, it.label)
		work := r.work(it.work)
		for _, e := range work.Engines {
			sum, ok := e.Summary(it.metric)
			if !ok {
				continue
			}
			if series[e.Name] == nil {
				color := cmp.Or(colors[e.Name], otherColor)
				series[e.Name] = &svg.Series{Name: e.Name, Color: color, Values: make([]svg.Bar, len(p.items))}
				order = append(order, e.Name)
			}
			series[e.Name].Values[i] = svg.Bar{Value: sum.Median, Low: sum.Min, High: sum.Max}
		}
	}
	for _, name := range order {
		bars.Series = append(bars.Series, *series[name])
	}
	return bars, len(order) > 0
}

// work returns the work of a name, which is empty where it was not measured.
func (r Results) work(name string) Work {
	for _, w := range r.Works {
		if w.Name == name {
			return w
		}
	}
	return Work{}
}
