package runner

import (
	"fmt"
	"math"
	"strings"

	"github.com/experimance/experimance-go/bench/internal/engine"
	"github.com/experimance/experimance-go/bench/internal/peer"
	"github.com/experimance/experimance-go/bench/internal/report"
)

// small is the size of the messages of most works.
const small = 64

// topics is the number of topics of the works that have them.
const topics = 10_000

// Works returns every work in the order of the tables. idle is the number of idle subscribers.
func Works(idle int) []Work {
	var works []Work
	for _, size := range []struct {
		bytes int
		goal  float64
	}{{16, 4}, {64, 3}, {256, 2.5}, {1 << 10, 1.7}, {8 << 10, 1.5}, {64 << 10, 1.2}, {1 << 20, 1.2}} {
		works = append(works, pushPull(engine.TCP, size.bytes, size.goal))
	}
	for _, subscribers := range []int{1, 10, 100} {
		works = append(works, pubSub(subscribers, 0), pubSub(subscribers, topics))
	}
	for _, subscribers := range []int{1, 10, 100} {
		works = append(works, unbounded(subscribers))
	}
	return append(works,
		single(16),
		single(small),
		single(1<<20),
		manyToOne(8),
		requestReply(),
		underLoad("half-own", "half of the engine's own maximum", ownMaximum),
		underLoad("half-libzmq", "half of libzmq's maximum", referenceMaximum),
		pushPull(engine.IPC, small, 3),
		pushPull(engine.IPC, 64<<10, 1.2),
		inproc(),
		curve(small, 2),
		curve(64<<10, 1),
		multipart(3),
		fresh(1, 1e6),
		fresh(1, 64e6),
		fresh(1, 256e6),
		fresh(8000, 1<<10),
		fresh(1e6, 1),
		fresh(2e6, 1),
		freshCurve(1, 64e6),
		freshCurve(8000, 1<<10),
		idleSubscribers(idle),
		subscriptions(80_000, false),
		subscriptions(7500, true),
		refused(900),
	)
}

// pushPull has one sender and one receiver, which binds.
func pushPull(carrier string, size int, goal float64) Work {
	w := Work{
		Name:    fmt.Sprintf("push-pull/%s/%s", carrier, sizeName(size)),
		Title:   fmt.Sprintf("PUSH to PULL, %s, messages of %s", carrier, sizeName(size)),
		Metrics: throughputMetrics("messages a second", atLeast(goal)),
		carrier: carrier,
		source:  spec(peer.Flood, engine.Push, size),
		sink:    spec(peer.Drain, engine.Pull, size),
		measure: sinkBinds,
	}
	if carrier == engine.TCP && size <= 1<<10 {
		w.Metrics[1].Goals = []report.Goal{{AtMost: true, Value: 0.005}} // 0, and room for the process' own
		w.Metrics[2].Goals = []report.Goal{{AtMost: true, Value: 0.05}}
	}
	return w
}

// single is pushPull with a call for each message that is sent.
func single(size int) Work {
	w := pushPull(engine.TCP, size, 1)
	w.Name = "single/tcp/" + sizeName(size)
	w.Title = fmt.Sprintf("PUSH to PULL, tcp, messages of %s, each sent and received by itself", sizeName(size))
	w.Metrics[0].Goals = nil
	w.source.Single = true
	return w
}

// manyToOne has several senders, sockets of one process, and one receiver.
func manyToOne(senders int) Work {
	w := pushPull(engine.TCP, small, 3)
	w.Name = fmt.Sprintf("many-to-one/tcp/%d", senders)
	w.Title = fmt.Sprintf("%d PUSH to one PULL, tcp, messages of %s", senders, sizeName(small))
	w.source.Sockets = senders
	return w
}

// pubSub has one publisher, which binds, and subscribers that are sockets of one process: to everything, or each to one of
// the topics that the publisher goes through in turn.
func pubSub(subscribers, topics int) Work {
	w := Work{
		Name:    fmt.Sprintf("pub-sub/all/%d", subscribers),
		Title:   fmt.Sprintf("PUB to %d SUB, tcp, messages of %s, all subscribed to all", subscribers, sizeName(small)),
		Metrics: throughputMetrics("deliveries a second, all subscribers together", atLeast(3)),
		carrier: engine.TCP,
		source:  spec(peer.Flood, engine.Pub, small),
		sink:    spec(peer.Drain, engine.Sub, small),
		measure: sourceBinds,
	}
	w.sink.Sockets = subscribers
	if topics > 0 {
		w.Name = fmt.Sprintf("pub-sub/topics/%d", subscribers)
		w.Title = fmt.Sprintf("PUB to %d SUB, tcp, messages of %s, %d topics, each subscribed to one",
			subscribers, sizeName(small), topics)
		w.Metrics = throughputMetrics("publications a second that reached their subscribers", atLeast(3))
		w.source.Topics, w.sink.Topics = topics, topics
	}
	w.Metrics = append(w.Metrics,
		report.Metric{Name: "delivered", Title: "part of what was published that arrived", Unit: report.Number})
	return w
}

// unbounded is pubSub without the limits at which a publisher drops.
func unbounded(subscribers int) Work {
	w := pubSub(subscribers, 0)
	w.Name = fmt.Sprintf("pub-sub/unbounded/%d", subscribers)
	w.Title += ", queues without a limit"
	w.source.Unbounded, w.sink.Unbounded = true, true
	return w
}

func requestReply() Work {
	return Work{
		Name:  "req-rep/tcp/64B",
		Title: "REQ to REP and back, tcp, messages of 64B, time of a round trip",
		Metrics: latencyMetrics([]report.Goal{
			{Against: report.Reference, AtMost: true, Value: 0.5},
			{Against: "raw-go", AtMost: true, Value: 1.5},
		}),
		carrier: engine.TCP,
		source:  spec(peer.Ask, engine.Req, small),
		sink:    spec(peer.Echo, engine.Rep, small),
		measure: roundTrips,
	}
}

func underLoad(name, rate string, maximum maximumFunc) Work {
	return Work{
		Name:  "load/" + name,
		Title: fmt.Sprintf("PUSH to PULL, tcp, messages of 64B at %s, time from Send to Recv", rate),
		Metrics: append(latencyMetrics(nil),
			report.Metric{Name: "rate", Title: "messages a second", Unit: report.PerSecond},
			report.Metric{Name: "carried", Title: "part of the rate asked for that was carried", Unit: report.Number}),
		carrier: engine.TCP,
		source:  spec(peer.Pace, engine.Push, small),
		sink:    spec(peer.Stamp, engine.Pull, small),
		measure: maximum.measure,
	}
}

func inproc() Work {
	return Work{
		Name:    "push-pull/inproc/64B",
		Title:   "PUSH to PULL, inproc, messages of 64B, two threads of one process",
		Metrics: throughputMetrics("messages a second", atLeast(3))[:1],
		carrier: engine.Inproc,
		sink:    spec(peer.Inproc, engine.Pull, small),
		measure: oneProcess,
	}
}

func curve(size int, goal float64) Work {
	w := pushPull(engine.TCP, size, goal)
	w.Name = "curve/tcp/" + sizeName(size)
	w.Title = fmt.Sprintf("PUSH to PULL, tcp with CURVE, messages of %s", sizeName(size))
	w.curve = true
	return w
}

func multipart(frames int) Work {
	w := pushPull(engine.TCP, small, 3)
	w.Name = fmt.Sprintf("multipart/tcp/%dx64B", frames)
	w.Title = fmt.Sprintf("PUSH to PULL, tcp, messages of %d parts of 64B", frames)
	w.source.Frames, w.sink.Frames = frames, frames
	return w
}

// fresh has one message on a new connection, of frames that are size bytes each.
func fresh(frames, size int) Work {
	name := fmt.Sprintf("%dx%s", frames, sizeName(size))
	title := fmt.Sprintf("%d frames of %s", frames, sizeName(size))
	if frames == 1 {
		name = fmt.Sprintf("%dMB", size/1e6)
		title = fmt.Sprintf("one frame of %d million bytes", size/1e6)
	}
	w := Work{
		Name:  "fresh/tcp/" + name,
		Title: fmt.Sprintf("PUSH to PULL, tcp, the first message of a connection: %s", title),
		Metrics: []report.Metric{
			{
				Name: "time", Title: "from the call that sends until it is received whole",
				Unit: report.Microseconds, Compared: true,
			},
			{
				Name: "cpu", Title: "processor time of both processes", Unit: report.Microseconds, Compared: true,
				Goals: []report.Goal{{Against: report.Reference, AtMost: true, Value: 1.5}},
			},
			{Name: "send_cpu", Title: "processor time of the sender", Unit: report.Microseconds},
			{Name: "recv_cpu", Title: "processor time of the receiver", Unit: report.Microseconds},
			allocatedFor(frames * (size + wireHeader(size))),
		},
		carrier: engine.TCP,
		source:  spec(peer.First, engine.Push, size),
		sink:    spec(peer.Whole, engine.Pull, size),
		limit:   freshTime,
		measure: firstMessages,
	}
	w.source.Frames, w.sink.Frames = frames, frames
	return w
}

// allocatedFor is the metric of what is allocated for so many bytes on the wire: three for each may
// be, and some more by the process itself.
func allocatedFor(wire int) report.Metric {
	const process = 1 << 20
	return report.Metric{
		Name: "recv_bytes", Title: "bytes allocated by the receiver", Unit: report.Bytes, Compared: true,
		Goals: []report.Goal{{AtMost: true, Value: float64(3*wire + process)}},
	}
}

// wireHeader is how many bytes go before a frame of so many bytes, by ZMTP 3.
func wireHeader(size int) int {
	if size > math.MaxUint8 {
		return 9
	}
	return 2
}

// curveOverhead is how much longer a frame is when CURVE has encrypted it.
const curveOverhead = 33

// freshCurve is fresh on an encrypted connection.
func freshCurve(frames, size int) Work {
	w := fresh(frames, size)
	w.Name = strings.Replace(w.Name, "/tcp/", "/curve/", 1)
	w.Title += ", encrypted by CURVE"
	w.Metrics[len(w.Metrics)-1] = allocatedFor(frames * (size + curveOverhead + wireHeader(size+curveOverhead)))
	w.curve = true
	return w
}

func idleSubscribers(n int) Work {
	w := Work{
		Name:  "idle/tcp",
		Title: fmt.Sprintf("%d idle subscribers of one PUB, tcp, memory of the publisher's process for each", n),
		Metrics: []report.Metric{
			{
				Name: "idle", Title: "resident, connected and subscribed", Unit: report.Bytes, Compared: true,
				Goals: []report.Goal{{AtMost: true, Value: 16 << 10}},
			},
			{Name: "used", Title: "resident, after a message to each", Unit: report.Bytes, Compared: true},
			{Name: "heap", Title: "of that, objects on Go's heap", Unit: report.Bytes},
			{Name: "stack", Title: "of that, stacks of goroutines", Unit: report.Bytes},
		},
		carrier: engine.TCP,
		source:  spec(peer.Hold, engine.Pub, small),
		sink:    spec(peer.Idle, engine.Sub, small),
		measure: idleMemory,
	}
	w.sink.Sockets = n
	return w
}

// subscriptions has a subscriber of n prefixes come and go, while the publisher goes on.
func subscriptions(n int, nested bool) Work {
	name, which := fmt.Sprint(n), fmt.Sprintf("%d prefixes of 8 bytes", n)
	if nested {
		name, which = fmt.Sprintf("nested-%d", n), fmt.Sprintf("%d prefixes, each of which begins with the one before", n)
	}
	w := Work{
		Name:  "subscriptions/" + name,
		Title: fmt.Sprintf("PUB to SUB, tcp, a subscriber of %s comes and goes", which),
		Metrics: []report.Metric{
			{Name: "time", Title: "until all subscriptions have taken effect", Unit: report.Microseconds, Compared: true},
			{Name: "cpu", Title: "processor time of the publisher for that", Unit: report.Microseconds, Compared: true},
			{Name: "worst", Title: "the longest Send meanwhile", Unit: report.Microseconds},
			{
				Name: "leave_cpu", Title: "processor time of the publisher while the subscriber goes",
				Unit: report.Microseconds, Compared: true,
			},
			{Name: "leave_worst", Title: "the longest Send meanwhile", Unit: report.Microseconds, Compared: true},
		},
		carrier: engine.TCP,
		source:  spec(peer.Tick, engine.Pub, small),
		sink:    spec(peer.Many, engine.Sub, small),
		measure: comeAndGo,
	}
	w.source.Topics, w.sink.Topics = 2, 2 // one that stands from the beginning, and one that comes last
	w.source.Prefixes, w.sink.Prefixes, w.sink.Nested = n, n, nested
	w.source.Unbounded, w.sink.Unbounded = true, true // libzmq drops subscriptions beyond the high-water mark
	return w
}

// refused has one socket connected to n endpoints without a listener.
func refused(n int) Work {
	w := Work{
		Name:  fmt.Sprintf("refused/%d", n),
		Title: fmt.Sprintf("a SUB connects to %d endpoints, tcp, at which nobody listens, for ten windows", n),
		Metrics: []report.Metric{
			{Name: "cpu", Title: "processor time for each second", Unit: report.Microseconds, Compared: true},
		},
		carrier: engine.TCP,
		sink:    spec(peer.Knock, engine.Sub, small),
		measure: knocking,
	}
	w.sink.Refusing = n
	return w
}

// sizeName writes a size as the names of works do: 64B, 8KiB, 1MiB.
func sizeName(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%dMiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%dKiB", n>>10)
	default:
		return fmt.Sprintf("%dB", n)
	}
}
