package service_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/experimance/experimance-go/service"
)

// BenchmarkLife is one start, run and stop of a service with two hooks and a task.
func BenchmarkLife(b *testing.B) {
	svc := newService(b)
	for _, name := range []string{"one", "two"} {
		nothing := func(context.Context) error { return nil }
		must(b, svc.AddHook(service.Hook{Name: name, Start: nothing, Stop: nothing}))
	}
	must(b, svc.Go("task", blocked))
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		must(b, svc.Start(ctx))
		run := make(chan error, 1)
		go func() { run <- svc.Run(ctx) }()
		_, err := svc.States().WaitForState(ctx, service.Running)
		must(b, err)
		_, err = svc.Stop(ctx)
		must(b, err)
		must(b, <-run)
	}
}

func BenchmarkStats(b *testing.B) {
	svc := newService(b)
	must(b, svc.Start(context.Background()))
	defer stop(b, svc)
	b.ReportAllocs()
	for b.Loop() {
		svc.Stats()
	}
}

func BenchmarkCountSent(b *testing.B) {
	svc := newService(b)
	for b.Loop() {
		svc.CountSent(1)
	}
}

func BenchmarkCountSentParallel(b *testing.B) {
	svc := newService(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			svc.CountSent(1)
		}
	})
}

// BenchmarkIdle reports the memory of a service that runs, the stack of Run's caller included.
func BenchmarkIdle(b *testing.B) {
	const n = 1000
	services := make([]*service.Service, n)
	runs := make([]<-chan error, n)
	for b.Loop() {
		before := memoryInUse()
		for i := range n {
			services[i] = newService(b)
			must(b, services[i].Start(context.Background()))
			run := make(chan error, 1)
			go func() { run <- services[i].Run(context.Background()) }()
			_, err := services[i].States().WaitForState(context.Background(), service.Running)
			must(b, err)
			runs[i] = run
		}
		b.ReportMetric(float64(memoryInUse()-before)/n, "B/service")
		for i := range n {
			_, err := services[i].Stop(context.Background())
			must(b, err)
			must(b, <-runs[i])
		}
		clear(services)
	}
}

func memoryInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
