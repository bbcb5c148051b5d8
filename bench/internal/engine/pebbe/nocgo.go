//go:build !cgo

// Package pebbe measures github.com/pebbe/zmq4: libzmq called from Go by cgo.
package pebbe

import "github.com/experimance/experimance-go/bench/internal/engine"

// Engine is pebbe/zmq4, which this program was built without.
type Engine struct{}

var _ engine.Engine = Engine{}

// Name returns "pebbe".
func (Engine) Name() string { return "pebbe" }

// Version says that there is none.
func (Engine) Version() string { return "built without cgo" }

// Open fails.
func (Engine) Open(engine.Kind, engine.Options) (engine.Socket, error) {
	return nil, engine.Unsupported("built without cgo")
}
