// Package relay simulates an unreliable network between two programs under test. A [Relay] accepts
// connections on tcp or on a Unix domain socket and forwards each one to a target. It can delay each
// direction, limit its rate, stall it and half-close it; it can cut, reset and partition whole
// connections. The faults are injected on command, or by a plan made from a seed ([NewPlan],
// [Relay.Play]).
//
// The relay buffers [Config.Buffer] bytes for each direction of a connection. If this buffer is full
// the relay stops reading, so that back pressure reaches the sender. It counts the bytes that it
// received, forwarded and lost ([ConnStats]), so that a test can tell losses in the network from
// losses in the programs.
//
// # Concurrency
//
// All methods may be called concurrently. A relay has one goroutine that accepts connections. Each
// connection has one goroutine that dials the target and closes both sides at the end, and two for
// each direction: one reads into the direction's queue, the other writes from it. [Relay.Close] waits
// for all goroutines.
//
// The lock order is Relay.mu, conn.mu, stream.mu. No lock is held during a read, a write or a dial.
package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Config holds a relay's settings. Target is required; each other field's comment states its default.
type Config struct {
	// Target is the endpoint that the relay forwards connections to: "tcp://host:port", "ipc://path"
	// or, on Linux, "ipc://@name". SetTarget changes it.
	Target string

	// Listen is the endpoint that the relay listens at, in the same form. "" means any free port of
	// 127.0.0.1 if Target is a tcp endpoint, and any free path otherwise.
	Listen string

	// Buffer is the most bytes that the relay buffers for each direction of a connection. If there is
	// a delay, it limits the throughput as well: Buffer bytes for each delay. 0 means 16 KiB.
	Buffer int

	// SocketBuffer is the size of the system's buffers for each socket of the relay, in bytes
	// (SO_SNDBUF, SO_RCVBUF). With less than 16 KiB, tcp over loopback is very slow. 0 means the
	// system's default.
	SocketBuffer int

	// Inspect is called for each direction of each new connection. The function that it returns is
	// called with each piece of data before the relay forwards it, and with its position in the
	// stream. It may change the data in place. It must not keep the data, nor call the relay's
	// methods. nil means no inspection, for both functions.
	Inspect func(d Direction) func(position uint64, b []byte)
}

const defaultBuffer = 16 << 10

// Relay forwards connections to a target until it is closed.
type Relay struct {
	cfg      Config
	listener net.Listener
	endpoint string
	dir      string // the temporary folder of the socket; "" if there is none
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	target    string
	faults    map[Direction]streamFaults // for present and future connections
	partition Partition
	healed    chan struct{} // closed unless the relay is partitioned
	live      map[*conn]struct{}
	ended     []ConnStats
	accepted  int
}

// New starts a relay.
func New(cfg Config) (*Relay, error) {
	network, _, err := split(cfg.Target)
	if err != nil {
		return nil, err
	}
	if cfg.Buffer <= 0 {
		cfg.Buffer = defaultBuffer
	}
	r := &Relay{
		cfg: cfg, target: cfg.Target, faults: map[Direction]streamFaults{}, live: map[*conn]struct{}{}, healed: make(chan struct{}),
	}
	close(r.healed)
	if err := r.listen(network); err != nil {
		return nil, err
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.wg.Go(r.accept)
	return r, nil
}

// listen listens at Config.Listen, or at any free address of the network.
func (r *Relay) listen(network string) (err error) {
	address := "127.0.0.1:0"
	switch {
	case r.cfg.Listen != "":
		if network, address, err = split(r.cfg.Listen); err != nil {
			return err
		}
	case network == "unix":
		if r.dir, err = os.MkdirTemp("", "relay"); err != nil {
			return fmt.Errorf("relay: %w", err)
		}
		address = filepath.Join(r.dir, "socket")
	}
	if r.listener, err = net.Listen(network, address); err != nil {
		r.removeDir()
		return fmt.Errorf("relay: %w", err)
	}
	scheme := "tcp://"
	if network == "unix" {
		scheme = "ipc://"
	}
	r.endpoint = scheme + r.listener.Addr().String()
	return nil
}

// setBuffers sets the size of a socket's buffers to Config.SocketBuffer.
func (r *Relay) setBuffers(nc net.Conn) {
	buffered, ok := nc.(interface {
		SetReadBuffer(bytes int) error
		SetWriteBuffer(bytes int) error
	})
	if ok && r.cfg.SocketBuffer > 0 {
		_ = buffered.SetReadBuffer(r.cfg.SocketBuffer) // these fail if the connection has failed
		_ = buffered.SetWriteBuffer(r.cfg.SocketBuffer)
	}
}

func (r *Relay) removeDir() {
	if r.dir != "" {
		_ = os.RemoveAll(r.dir) // best effort: it is in the folder for temporary files
	}
}

// split returns the network and the address of an endpoint, as package net has them.
func split(endpoint string) (network, address string, err error) {
	switch scheme, rest, _ := strings.Cut(endpoint, "://"); scheme {
	case "tcp":
		return "tcp", rest, nil
	case "ipc":
		return "unix", rest, nil
	}
	return "", "", fmt.Errorf("relay: endpoint %q: it must begin with tcp:// or ipc://", endpoint)
}

// Endpoint returns the endpoint that the relay listens at.
func (r *Relay) Endpoint() string { return r.endpoint }

// SetTarget changes the target of future connections. It fails if the endpoint has no known form.
func (r *Relay) SetTarget(endpoint string) error {
	if _, _, err := split(endpoint); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = endpoint
	return nil
}

// Close cuts all connections, and returns when all goroutines of the relay have ended. It always
// returns nil. It may be called several times. Stats may be called after Close.
func (r *Relay) Close() error {
	r.mu.Lock()
	first := !r.closed
	r.closed = true
	r.mu.Unlock()
	if first {
		r.Cut()
		r.cancel()
		_ = r.listener.Close() // its accept loop ends in any case
	}
	r.wg.Wait()
	r.removeDir()
	return nil
}

// accept serves incoming connections until the relay is closed.
func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		switch {
		case err == nil:
			r.wg.Go(func() { r.serve(client) })
		case errors.Is(err, net.ErrClosed):
			return
		default: // the client has hung up already, or there is no free descriptor
			pause(r.ctx, acceptPause)
		}
	}
}

// serve forwards one connection to its end.
func (r *Relay) serve(client net.Conn) {
	c := r.add(client)
	if c == nil {
		reset(client)
		return
	}
	c.run()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.live, c)
	r.ended = append(r.ended, c.stats())
}

// add registers an incoming connection. It returns nil if the relay refuses the connection.
func (r *Relay) add(client net.Conn) *conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.partition == Refuse {
		return nil
	}
	r.setBuffers(client)
	r.accepted++
	c := newConn(r, r.accepted, client)
	r.live[c] = struct{}{}
	c.isolate(r.partition != None)
	for _, l := range c.streams() {
		l.set(r.faultsOf(l.direction))
	}
	return c
}

// dial waits for the end of a partition and connects to the target. It also returns the target's
// endpoint.
func (r *Relay) dial(ctx context.Context) (nc net.Conn, target string, err error) {
	for {
		r.mu.Lock()
		partition, healed := r.partition, r.healed
		target = r.target
		r.mu.Unlock()
		if partition == None {
			network, address, err := split(target)
			if err != nil {
				return nil, "", err
			}
			var d net.Dialer
			nc, err = d.DialContext(ctx, network, address)
			return nc, target, err
		}
		select {
		case <-healed:
		case <-ctx.Done():
			return nil, "", ctx.Err()
		}
	}
}
