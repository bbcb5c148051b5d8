// Command composed shows a service that is composed rather than derived: a hook that opens and closes a file, a task
// that writes to it, a task that fails now and then and is restarted, and statistics in the log. Ctrl-C stops it.
//
//	go run ./examples/composed -file /tmp/heap.csv
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"github.com/experimance/experimance-go/service"
)

// newRecorder returns a service that writes the size of its heap to a file, a line at each interval.
func newRecorder(cfg service.Config, path string, interval time.Duration) (*service.Service, error) {
	svc, err := service.New(cfg)
	if err != nil {
		return nil, err
	}
	var file *os.File
	hook := service.Hook{
		Name: "file",
		Start: func(context.Context) (err error) {
			file, err = os.Create(path)
			return err
		},
		Stop: func(context.Context) error { return errors.Join(file.Sync(), file.Close()) },
	}
	record := func(ctx context.Context) error {
		var m runtime.MemStats
		for svc.Sleep(ctx, interval) {
			runtime.ReadMemStats(&m)
			if _, err := fmt.Fprintf(file, "%d,%d\n", time.Now().Unix(), m.HeapAlloc); err != nil {
				return err // stops the service
			}
		}
		return nil
	}
	flaky := func(ctx context.Context) error {
		for svc.Sleep(ctx, interval) {
			if rand.N(10) == 0 {
				return errors.New("connection lost") // begins again
			}
		}
		return nil
	}
	return svc, errors.Join(
		svc.AddHook(hook),
		svc.Go("record", record),
		svc.Go("flaky", flaky, service.WithRestart(service.RestartPolicy{
			Mode:      service.RestartOnFailure,
			Intensity: -1,
		})),
	)
}

func main() {
	path := flag.String("file", "heap.csv", "file to write")
	interval := flag.Duration("interval", time.Second, "time from one line to the next")
	flag.Parse()
	svc, err := newRecorder(service.Config{Name: "recorder", StatsInterval: 10 * time.Second}, *path, *interval)
	if err != nil {
		log.Fatal(err)
	}
	service.Main(svc)
}
