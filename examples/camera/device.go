package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
)

var errClosed = errors.New("the device is closed")

// device stands for the driver of a camera: each frame has a brightness that depends on the exposure.
type device struct {
	mu       sync.Mutex
	open     bool
	exposure float64
}

func openDevice(ctx context.Context) (*device, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &device{open: true, exposure: 1}, nil
}

// frame takes a frame and returns its brightness: around 80 times the exposure, at most 255.
func (d *device) frame() (brightness float64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open {
		return 0, errClosed
	}
	return min(255, d.exposure*(75+10*rand.Float64())), nil
}

// expose multiplies the exposure by a factor.
func (d *device) expose(factor float64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open {
		return errClosed
	}
	d.exposure *= factor
	return nil
}

func (d *device) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open {
		return errClosed
	}
	d.open = false
	return nil
}
