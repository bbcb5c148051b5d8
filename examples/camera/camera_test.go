package main

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/experimance/experimance-go/service"
	"github.com/experimance/experimance-go/servicetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCamera(t *testing.T) *Camera {
	t.Helper()
	c, err := NewCamera(service.Config{Name: "camera", Logger: slog.New(slog.DiscardHandler)}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCameraCalibratesAndTakesFrames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCamera(t)
		calibration := servicetest.Observe(t, c, Calibrating, service.Running)
		servicetest.Start(t, c)
		for _, want := range []service.State{service.Running, Calibrating, service.Running} {
			if got := calibration(); got.To != want || got.Cause != nil {
				t.Errorf("observed %v, want %s", got, want)
			}
		}
		time.Sleep(10 * time.Second)
		servicetest.Stop(t, c)
		if n := c.frames.Load(); n < 9 {
			t.Errorf("%d frames", n)
		}
		if err := c.device.close(); !errors.Is(err, errClosed) {
			t.Error("the device was left open")
		}
	})
}

func TestCameraCalibratesOnlyWhileItRuns(t *testing.T) {
	t.Parallel()
	c := newCamera(t)
	if err := c.Calibrate(t.Context()); !errors.Is(err, service.ErrState) {
		t.Errorf("error is %v", err)
	}
}

func TestStopDuringCalibration(t *testing.T) {
	t.Parallel()
	c := newCamera(t)
	c.interval = time.Millisecond
	servicetest.Start(t, c)
	servicetest.WaitState(t, c, Calibrating)
	servicetest.Stop(t, c)
	servicetest.AssertClean(t, c)
}
