//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/experimance/experimance-go/internal/relay"
	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// manyTopics is a subscriber with many long topics.
func manyTopics(ctx context.Context, o options) (*result, error) {
	n := o.pick(80_000, 20_000)
	return subscriber(ctx, o, n, func(i int) string { return fmt.Sprintf("%08d%s", i*7919%100_000_007, strings.Repeat("x", 242)) })
}

// nestedTopics is a subscriber to a, aa, aaa and so on.
func nestedTopics(ctx context.Context, o options) (*result, error) {
	n := o.pick(7500, 2000)
	return subscriber(ctx, o, n, func(i int) string { return strings.Repeat("a", i+1) })
}

// subscriber subscribes to topics and leaves, while the victim publishes to an honest subscriber.
func subscriber(ctx context.Context, o options, n int, topic func(i int) string) (*result, error) {
	v, err := start(ctx, o.lib, setup{Kind: "PUB"})
	if err != nil {
		return nil, err
	}
	defer v.stop()
	honest, err := zmq.NewSub(zmq.Config{})
	if err != nil {
		return nil, err
	}
	defer honest.Close()
	if err := honest.Subscribe("tick"); err != nil {
		return nil, err
	}
	if err := honest.Connect(v.endpoint); err != nil {
		return nil, err
	}
	if _, err := honest.Recv(ctx); err != nil {
		return nil, err
	}
	p, err := greet(ctx, v.endpoint, "SUB")
	if err != nil {
		return nil, err
	}
	defer p.Close()
	var all []byte
	for i := range n {
		all = append(all, subscribe(topic(i))...)
	}
	all = append(all, subscribe("tick")...)
	if _, err := v.look(); err != nil { // from here on the longest Send counts
		return nil, err
	}
	begun := time.Now()
	go func() { _, _ = p.Write(all) }() // a victim that refuses them closes the connection
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		rest := make([]byte, 4096)
		for n := 0; n >= 0 && !bytes.Contains(rest[:n], []byte("tick")); {
			var err error
			if n, err = p.Read(rest); err != nil {
				return
			}
		}
	}()
	select {
	case <-heard:
	case <-ctx.Done():
	}
	subscribed := time.Since(begun)
	come, err := v.look()
	if err != nil {
		return nil, err
	}
	p.reset()
	time.Sleep(time.Duration(o.pick(15_000, 2000)) * time.Millisecond) // for the victim to forget it
	gone, err := v.look()
	if err != nil {
		return nil, err
	}
	r := &result{after: gone, note: fmt.Sprintf("subscribed in %v; worst Send meanwhile %.1f ms, after it left %.1f ms",
		subscribed.Round(time.Millisecond), come.WorstSend, gone.WorstSend)}
	r.after.WorstSend = max(come.WorstSend, gone.WorstSend)
	served := 0
	if _, err := honest.Recv(ctx); err == nil {
		served = 1
	}
	r.serve(served, 1)
	return r, nil
}

// gonePeers are peers of a PULL of which nobody receives. Each sends more than the high-water mark of 1,000 messages.
func gonePeers(ctx context.Context, o options) (*result, error) {
	const each = 1500
	n := o.pick(1000, 200)
	v, before, err := begin(ctx, o.lib, setup{Kind: "PULL"})
	if err != nil {
		return nil, err
	}
	defer v.stop()
	say := bytes.Repeat([]byte("\x00\x05hello"), each)
	for range n {
		p, err := greet(ctx, v.endpoint, "PUSH")
		if err != nil {
			return nil, err
		}
		if _, err := p.Write(say); err != nil {
			return nil, err
		}
		p.Close()
	}
	after, err := v.until(10*time.Second, func(f figures) bool { return f.Descriptors <= before.Descriptors+5 })
	if err != nil {
		return nil, err
	}
	if err := v.receive(); err != nil {
		return nil, err
	}
	end, err := v.until(20*time.Second, func(f figures) bool { return f.Received == n*each })
	if err != nil {
		return nil, err
	}
	r := &result{after: after, honest: "-", note: fmt.Sprintf("%d of %d messages received afterwards", end.Received, n*each)}
	r.atMost("descriptors", after.Descriptors, before.Descriptors+20)
	r.atMost("goroutines", after.Goroutines, before.Goroutines+20)
	r.atMost("messages lost", n*each-end.Received, 0)
	return r, nil
}

// serveHonest starts honest peers that connect to an endpoint one after the other and send a message each. It returns how many
// of these the victim has received when all have had their time.
func serveHonest(ctx context.Context, v *process, endpoint string, n int, each time.Duration, security zmq.Security) (served int, f figures, err error) {
	for i := range n {
		push, err := zmq.NewPush(zmq.Config{Security: security, Linger: -1})
		if err != nil {
			return 0, f, err
		}
		defer push.Close()
		if err := push.Connect(endpoint); err != nil {
			return 0, f, err
		}
		if push.Send(ctx, honestText(i)) != nil {
			break // the time is up
		}
		if f, err = v.until(each, func(f figures) bool { return f.Honest > served }); err != nil {
			return 0, f, err
		}
		served = f.Honest
	}
	f, err = v.look()
	return served, f, err
}

// hoarders are peers that begin messages: one large frame each, or very many small ones.
func hoarders(ctx context.Context, o options) (*result, error) {
	const n = 40
	each, limit := o.pick(11_700_000, 3<<20), o.pick(512<<20, 64<<20)
	v, err := start(ctx, o.lib, setup{Kind: "PULL", Receive: true, Config: map[string]int{"MemoryLimit": limit}})
	if err != nil {
		return nil, err
	}
	defer v.stop()
	small := bytes.Repeat(append(wire.AppendHeader(nil, wire.FlagMore, 10), make([]byte, 10)...), each/12)
	large := append(wire.AppendHeader(nil, 0, 200<<20), make([]byte, each)...)
	var wg sync.WaitGroup
	defer wg.Wait()
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	sent := make(chan struct{}, n)
	for i := range n {
		p, err := greet(ctx, v.endpoint, "PUSH")
		if err != nil {
			return nil, err
		}
		wg.Go(func() {
			defer p.Close()
			what := large
			if i%2 == 0 {
				what = small
			}
			_, _ = p.Write(what) // the victim may end it
			sent <- struct{}{}
			<-stop.Done()
		})
	}
	limited := time.After(20 * time.Second)
	for range n {
		select {
		case <-sent:
		case <-limited:
		}
	}
	served, f, err := serveHonest(ctx, v, v.endpoint, 10, 5*time.Second, nil)
	if err != nil {
		return nil, err
	}
	r := &result{after: f, note: fmt.Sprintf("they sent %d MB, MemoryLimit %d MB", n*each>>20, limit>>20)}
	r.serve(served, 10)
	r.atMost("MB of memory", f.Peak>>20, 2*limit>>20+150)
	return r, nil
}

// silentFlood is a flood of connections from one address that say nothing.
func silentFlood(ctx context.Context, o options) (*result, error) {
	server, err := zmq.GenerateKeyPair()
	if err != nil {
		return nil, err
	}
	client, err := zmq.GenerateKeyPair()
	if err != nil {
		return nil, err
	}
	v, err := start(ctx, o.lib, setup{Kind: "PULL", Receive: true, Secret: server.Secret(), Public: server.Public().String()})
	if err != nil {
		return nil, err
	}
	defer v.stop()
	far, err := relay.New(relay.Config{Target: v.endpoint})
	if err != nil {
		return nil, err
	}
	defer func() { _ = far.Close() }() // always nil
	for _, d := range []relay.Direction{relay.ToTarget, relay.ToClient} {
		far.Shape(d, relay.Shape{Delay: 75 * time.Millisecond})
	}
	flood, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	made := make([]int, 4)
	for i := range made {
		wg.Go(func() { made[i] = silence(flood, v.endpoint, "127.0.0.2", 600, 4*time.Second/5000) })
	}
	start := time.Now()
	if _, err := v.until(time.Second, func(f figures) bool { return f.Descriptors > 1000 }); err != nil { // the flood is there
		end()
		wg.Wait()
		return nil, err
	}
	honest := o.pick(8, 4)
	served, f, err := serveHonest(ctx, v, far.Endpoint(), honest, 3*time.Second, zmq.CurveClient{Keys: client, ServerKey: server.Public()})
	end()
	wg.Wait()
	if err != nil {
		return nil, err
	}
	all := 0
	for _, n := range made {
		all += n
	}
	r := &result{after: f, note: fmt.Sprintf("%.0f connections a second", float64(all)/time.Since(start).Seconds())}
	r.serve(served, honest)
	return r, nil
}

// descriptors are silent connections to a victim that may have few descriptors.
func descriptors(ctx context.Context, o options) (*result, error) {
	const limit = 128
	v, err := start(ctx, o.lib, setup{Kind: "PULL", Receive: true, Descriptors: limit})
	if err != nil {
		return nil, err
	}
	defer v.stop()
	flood, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { silence(flood, v.endpoint, "127.0.0.2", 5000, 5*time.Millisecond) })
	_, err = v.until(3*time.Second, func(f figures) bool { return f.Descriptors >= limit })
	honest := o.pick(8, 4)
	var served int
	var f figures
	if err == nil {
		served, f, err = serveHonest(ctx, v, v.endpoint, honest, 3*time.Second, nil)
	}
	end()
	wg.Wait()
	if err != nil {
		return nil, err
	}
	r := &result{after: f}
	r.serve(served, honest)
	return r, nil
}

// refusals are endpoints that refuse every connection.
func refusals(ctx context.Context, o options) (*result, error) {
	n := o.pick(900, 300)
	port, release, err := closedPort()
	if err != nil {
		return nil, err
	}
	defer release()
	s := setup{Kind: "PUSH"}
	for i := range n {
		s.Connect = append(s.Connect, fmt.Sprintf("tcp://127.0.%d.%d:%d", 1+i/250, 1+i%250, port))
	}
	v, before, err := begin(ctx, o.lib, s)
	if err != nil {
		return nil, err
	}
	defer v.stop()
	const seconds = 5
	time.Sleep(seconds * time.Second)
	f, err := v.look()
	if err != nil {
		return nil, err
	}
	r := &result{after: f, honest: "-", note: fmt.Sprintf("%d attempts; %.0f %% of a processor", f.Tries, float64(f.Processor-before.Processor)/10/seconds)}
	r.atMost("attempts to connect", f.Tries, 12*n) // the waits double
	return r, nil
}
