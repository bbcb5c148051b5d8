//go:build !unix

package harness

import "errors"

var errNoSignals = errors.New("this system cannot pause a process")

func (p *process) pause() error  { return errNoSignals }
func (p *process) resume() error { return errNoSignals }
