package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/experimance/experimance-go/service"
)

// Calibrating is a state of cameras, beside those that every service has: running, but the frames are not for use.
const Calibrating service.State = "calibrating"

// wanted is the brightness that calibration aims at.
const wanted = 128

// Camera is a service of a type of its own: it embeds one and has its own Start, Run and Stop, which call the embedded
// ones. A call in the wrong state is refused before any code of the camera runs.
type Camera struct {
	*service.Service
	interval time.Duration
	device   *device // from Start to Stop
	frames   atomic.Int64
}

// NewCamera returns a camera that takes a frame at each interval.
func NewCamera(cfg service.Config, interval time.Duration) (*Camera, error) {
	cfg.Type = "camera"
	svc, err := service.New(cfg)
	if err != nil {
		return nil, err
	}
	c := &Camera{Service: svc, interval: interval}
	c.EmbedIn(c) // so that the service uses the camera's Stop when it stops itself
	return c, nil
}

// Start opens the device first, then starts the embedded service. What fails here cleans up here.
func (c *Camera) Start(ctx context.Context) error {
	return c.StartWith(ctx, func(ctx context.Context) error {
		device, err := openDevice(ctx)
		if err != nil {
			return err
		}
		if err := c.Service.Start(ctx); err != nil {
			return errors.Join(err, device.close())
		}
		c.device = device
		return nil
	})
}

// Run registers the tasks first, then runs the embedded service.
func (c *Camera) Run(ctx context.Context) error {
	return c.RunWith(ctx, func(ctx context.Context) error {
		if err := c.Go("frames", c.takeFrames); err != nil {
			return err
		}
		return c.Service.Run(ctx)
	})
}

// Stop stops the embedded service first, which ends the tasks, then closes the device.
func (c *Camera) Stop(ctx context.Context) (service.Receipt, error) {
	return c.StopWith(ctx, func(ctx context.Context) error {
		_, err := c.Service.Stop(ctx)
		return errors.Join(err, c.device.close())
	})
}

// takeFrames takes frames until the camera stops, calibrating where one is far from the wanted brightness.
func (c *Camera) takeFrames(ctx context.Context) error {
	for c.Sleep(ctx, c.interval) {
		brightness, err := c.device.frame()
		if err != nil {
			return err
		}
		if brightness < wanted/1.2 || brightness > wanted*1.2 {
			if err := c.Calibrate(ctx); err != nil {
				return err
			}
			continue
		}
		c.frames.Add(1)
		c.Logger().Info("frame", "brightness", brightness)
	}
	return nil
}

// Calibrate adjusts the exposure. It is valid while the camera runs, and for as long as it takes the state is
// [Calibrating]. A stop that comes meanwhile wins: the state does not go back to running then.
func (c *Camera) Calibrate(ctx context.Context) error {
	err := c.States().ValidateAndBeginTransition("Calibrate", []service.State{service.Running}, Calibrating)
	if err != nil {
		return err
	}
	err = c.adjust(ctx)
	stopped := c.States().CompleteTransition("Calibrate", Calibrating, service.Running, err)
	if !c.Running() {
		return nil
	}
	return errors.Join(err, stopped)
}

// adjust sets the exposure by the mean of some frames.
func (c *Camera) adjust(ctx context.Context) error {
	const n = 5
	sum := 0.0
	for range n {
		if !c.Sleep(ctx, c.interval) {
			return service.ErrStopped
		}
		brightness, err := c.device.frame()
		if err != nil {
			return err
		}
		sum += brightness
	}
	return c.device.expose(wanted / (sum / n))
}
