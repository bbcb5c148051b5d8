package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/experimance/experimance-go/service"
)

func TestStatusIsTheWorst(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	want := func(status service.Status, errs, warnings uint64) {
		t.Helper()
		if st := svc.Stats(); st.Status != status || st.Errors != errs || st.Warnings != warnings || svc.Status() != status {
			t.Errorf("%s with %d errors and %d warnings, want %s, %d, %d", st.Status, st.Errors, st.Warnings, status, errs, warnings)
		}
	}
	want(service.StatusHealthy, 0, 0)
	svc.RecordWarning(errors.New("dim"))
	want(service.StatusWarning, 0, 1)
	svc.RecordError(errors.New("dark"))
	want(service.StatusError, 1, 1)
	svc.RecordWarning(errors.New("dim"))
	want(service.StatusError, 1, 2)
	svc.RecordFatal(errors.New("black"))
	want(service.StatusFatal, 2, 2)
	wantState(t, svc, service.Initialized) // nothing to stop
	svc.ResetErrors()
	want(service.StatusHealthy, 0, 0)
	svc.RecordWarning(nil)
	svc.RecordError(nil)
	svc.RecordFatal(nil)
	want(service.StatusHealthy, 0, 0)
}

// onRecord is a log handler that looks at each record.
type onRecord func(slog.Record)

func (onRecord) Enabled(context.Context, slog.Level) bool        { return true }
func (f onRecord) Handle(_ context.Context, r slog.Record) error { f(r); return nil }
func (f onRecord) WithAttrs([]slog.Attr) slog.Handler            { return f }
func (f onRecord) WithGroup(string) slog.Handler                 { return f }

// TestErrorsAreCountedBeforeTheStateIsTold looks at the statistics when a change of state is
// logged: the error that has led to it must be there. One that was counted later could be lost to
// the next Start, or be counted as its error.
func TestErrorsAreCountedBeforeTheStateIsTold(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken lens")
	failing := func(context.Context) error { return broken }
	for name, tc := range map[string]struct {
		state service.State
		do    func(svc *service.Service)
	}{
		"start": {service.Stopping, func(svc *service.Service) {
			must(t, svc.AddHook(service.Hook{Name: "h", Start: failing}))
			wantErr(t, svc.Start(within(t)), broken)
		}},
		"stop": {service.Stopped, func(svc *service.Service) {
			must(t, svc.Start(within(t)))
			_, err := svc.StopWith(within(t), failing)
			wantErr(t, err, broken)
		}},
		"hanging stop": {service.Stopped, func(svc *service.Service) {
			hold := make(chan struct{})
			must(t, svc.Go("hanging", func(context.Context) error { <-hold; return nil }))
			done := startAndRun(t, svc)
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			_, err := svc.Stop(ended)
			wantErr(t, err, context.Canceled)
			close(hold)
			wantErr(t, receive(t, done), context.Canceled)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var svc *service.Service
			told := false
			svc = newService(t, func(cfg *service.Config) {
				cfg.Logger = slog.New(onRecord(func(r slog.Record) {
					r.Attrs(func(a slog.Attr) bool {
						if change, ok := a.Value.Any().(service.Transition); ok && change.To == tc.state {
							told = true
							if st := svc.Stats(); st.State != tc.state || st.Errors != 1 {
								t.Errorf("%s with %d errors, want %s with one", st.State, st.Errors, tc.state)
							}
						}
						return true
					})
				}))
			})
			tc.do(svc)
			if !told {
				t.Errorf("no log of the state %s", tc.state)
			}
		})
	}
}

func TestRecentErrorsAreBounded(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	for i := range 40 {
		svc.RecordError(fmt.Errorf("error %d", i))
	}
	recent := svc.Errors()
	if len(recent) != 32 || recent[0].Err.Error() != "error 8" || recent[31].Err.Error() != "error 39" {
		t.Errorf("%d errors, from %v to %v", len(recent), recent[0].Err, recent[len(recent)-1].Err)
	}
	if r := recent[0]; r.Status != service.StatusError || r.Time.IsZero() {
		t.Errorf("recorded: %+v", r)
	}
}

func TestRecordFatalStopsTheService(t *testing.T) {
	t.Parallel()
	broken := errors.New("burnt out")
	t.Run("starting", func(t *testing.T) {
		t.Parallel()
		svc := newService(t)
		var r recorder
		must(t, svc.AddHook(r.hook("a", 0)))
		must(t, svc.AddHook(service.Hook{Name: "b", Start: func(ctx context.Context) error {
			svc.RecordFatal(broken)
			return blocked(ctx)
		}}))
		wantErr(t, svc.Start(within(t)), broken)
		wantState(t, svc, service.Stopped)
		r.want(t, "start a", "stop a")
	})
	t.Run("started", func(t *testing.T) {
		t.Parallel()
		svc := newService(t)
		must(t, svc.Start(within(t)))
		svc.RecordFatal(broken)
		if svc.Running() {
			t.Error("still running")
		}
		_, err := svc.States().WaitForState(within(t), service.Stopped)
		must(t, err)
		err = svc.Run(within(t))
		wantStateError(t, err, "Run", service.Stopped)
		wantErr(t, err, broken) // the reason
	})
	t.Run("running", func(t *testing.T) {
		t.Parallel()
		svc := newService(t)
		run := startAndRun(t, svc)
		svc.RecordFatal(broken)
		svc.RecordFatal(errors.New("and more"))
		wantErr(t, receive(t, run), broken)
		wantState(t, svc, service.Stopped)
		if svc.Stats().Errors != 2 {
			t.Errorf("%d errors", svc.Stats().Errors)
		}
	})
	t.Run("stopping", func(t *testing.T) {
		t.Parallel()
		svc := newService(t)
		must(t, svc.AddHook(service.Hook{Name: "h", Stop: func(context.Context) error {
			svc.RecordFatal(broken)
			return nil
		}}))
		run := startAndRun(t, svc)
		stop(t, svc)
		wantErr(t, receive(t, run), broken)
	})
}

func TestStatsOfALife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, func(cfg *service.Config) { cfg.Type, cfg.Instance = "camera", "left" })
		if st := svc.Stats(); !st.StartTime.IsZero() || st.Uptime != 0 || st.State != service.Initialized {
			t.Errorf("before the start: %+v", st)
		}
		must(t, svc.Go("task", blocked))
		began := time.Now()
		run := startAndRun(t, svc)
		synctest.Wait()
		svc.CountSent(30)
		svc.CountReceived(60)
		advance(3 * time.Second)
		want := service.Stats{
			Service: "test", Type: "camera", Instance: "left", State: service.Running, Status: service.StatusHealthy,
			StartTime: began, Uptime: 3 * time.Second, MessagesSent: 30, MessagesReceived: 60, Tasks: 1,
			SendRate: 10, ReceiveRate: 20,
		}
		if got := svc.Stats(); got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		stop(t, svc)
		must(t, <-run)
		advance(time.Hour)
		if st := svc.Stats(); st.Uptime != 3*time.Second || st.MessagesSent != 30 || st.Tasks != 0 {
			t.Errorf("after the stop: %+v", st)
		}
		must(t, svc.Start(context.Background()))
		if st := svc.Stats(); st.MessagesSent != 0 || st.Uptime != 0 || !st.StartTime.After(began) {
			t.Errorf("after a restart: %+v", st)
		}
		stop(t, svc)
	})
}

func TestRatesAreOfLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t)
		must(t, svc.Start(context.Background()))
		defer stop(t, svc)
		rate := func(perSecond uint64, seconds int, every time.Duration) float64 {
			for range seconds * int(time.Second/every) {
				svc.CountSent(perSecond * uint64(every) / uint64(time.Second))
				advance(every)
				svc.Stats()
			}
			return svc.Stats().SendRate
		}
		// However often somebody looks, the rate forgets what is more than some seconds old.
		for _, every := range []time.Duration{time.Second, 10 * time.Millisecond} {
			if got := rate(1000, 20, every); got != 1000 {
				t.Errorf("looking every %v: %v a second, want 1000", every, got)
			}
			if got := rate(100, 2, every); got <= 100 || got >= 1000 {
				t.Errorf("looking every %v: %v a second soon after the change", every, got)
			}
			if got := rate(100, 10, every); got != 100 {
				t.Errorf("looking every %v: %v a second, want 100", every, got)
			}
		}
	})
}

func TestFormsOfStats(t *testing.T) {
	t.Parallel()
	svc := newService(t, func(cfg *service.Config) { cfg.Instance = "left" })
	encoded, err := json.Marshal(svc.Stats())
	must(t, err)
	const want = `{"service":"test","type":"service","instance":"left","state":"initialized","status":"healthy","uptime_ns":0,` +
		`"messages_sent":0,"messages_received":0,"errors":0,"warnings":0,"tasks":0,"send_rate":0,"receive_rate":0}`
	if string(encoded) != want {
		t.Errorf("%s, want %s", encoded, want)
	}
	if got := svc.Stats().LogValue().String(); !strings.Contains(got, "state=initialized status=healthy") {
		t.Errorf("for the log: %s", got)
	}
}

func TestStatisticsAreLoggedPeriodically(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		svc := newService(t, func(cfg *service.Config) {
			cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
			cfg.StatsInterval = time.Minute
		})
		run := startAndRun(t, svc)
		advance(150 * time.Second)
		stop(t, svc)
		must(t, <-run)
		if n := strings.Count(log.String(), "msg=statistics"); n != 2 {
			t.Errorf("%d lines of statistics:\n%s", n, log.String())
		}
	})
}

func TestEveryLineOfTheLogSaysWhose(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	svc := newService(t, func(cfg *service.Config) {
		cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		cfg.Type, cfg.Instance = "camera", "left"
	})
	must(t, svc.Go("bad", func(context.Context) error { return panics() }))
	must(t, svc.Start(within(t)))
	wantErr(t, svc.Run(within(t)), errPanic)
	svc.Logger().Info("own line")
	text := log.String()
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "service=test type=camera instance=left") {
			t.Errorf("whose line is this: %s", line)
		}
	}
	for _, want := range []string{
		"level=DEBUG", "transition.from=started transition.to=running transition.method=Run",
		"own line", "service_test.panics", "transition.cause=",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %q:\n%s", want, text)
		}
	}
}

// lockedBuffer is a buffer for loggers.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
