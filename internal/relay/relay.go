// Package relay puts a network that fails between two programs under test. A [Relay] accepts connections on tcp or on a
// Unix domain socket and forwards each of them to a target. Each direction can be delayed, limited in rate, stalled,
// half-closed; whole connections can be cut, reset and partitioned; on command, or by a plan made from a seed ([NewPlan],
// [Relay.Play]).
//
// The relay keeps little: [Config.Buffer] bytes for each direction of a connection. When these are full it reads no more,
// so that back pressure reaches the sender. It counts what it took, what it passed on, and what was lost in it
// ([ConnStats]), so that a test can tell what the sender could not know.
//
// # Concurrency
//
// All methods may be called by any number of goroutines at once. A relay has one goroutine that accepts connections. Each
// connection has one that dials the target and closes both sides in the end, and two for each direction: the taker reads
// into the direction's queue, the giver writes from it. [Relay.Close] waits for all of them.
//
// Locks are held in this order: Relay.mu, lane.mu. No lock is held while a goroutine reads, writes or dials.
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
	// Target is the endpoint to which connections are forwarded: "tcp://host:port", "ipc://path" or, on Linux,
	// "ipc://@name". SetTarget changes it.
	Target string

	// Listen is the endpoint at which the relay listens, in the same form. "" means any free port of 127.0.0.1 if Target
	// is a tcp endpoint, and any free path otherwise.
	Listen string

	// Buffer bounds the bytes that the relay keeps for each direction of a connection. With a delay it bounds the
	// throughput too: Buffer bytes for each delay. 0 means 16 KiB.
	Buffer int

	// SocketBuffer is the size of the system's buffers for each socket of the relay, in bytes (SO_SNDBUF, SO_RCVBUF). tcp over
	// loopback is very slow with less than 16 KiB. 0 means the system's default.
	SocketBuffer int

	// Inspect is called for each direction of each new connection. The function that it returns is called with the bytes
	// that were taken, before they are passed on, and their position in the stream; it may change them in place, and must
	// not keep them or call the relay's methods. nil means that nothing is inspected, for both functions.
	Inspect func(d Direction) func(position uint64, b []byte)
}

const defaultBuffer = 16 << 10

// Relay forwards connections to a target until it is closed.
type Relay struct {
	cfg      Config
	listener net.Listener
	endpoint string
	dir      string // holds the socket's path; "" if the relay has not made one
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	target    string
	faults    map[Direction]laneFaults // in force, for connections to come as well
	partition Partition
	healed    chan struct{} // closed unless there is a partition
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
		cfg: cfg, target: cfg.Target, faults: map[Direction]laneFaults{}, live: map[*conn]struct{}{}, healed: make(chan struct{}),
	}
	close(r.healed)
	if err := r.listen(network); err != nil {
		return nil, err
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.wg.Go(r.accept)
	return r, nil
}

// listen listens where the settings say, or at any free place of the network.
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

// setBuffers sets the size of a socket's buffers, as the settings ask for.
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
		_ = os.RemoveAll(r.dir) // of no use to anyone: at worst it stays
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

// Endpoint returns the endpoint at which the relay listens.
func (r *Relay) Endpoint() string { return r.endpoint }

// SetTarget changes where connections are forwarded to that come in from now on.
func (r *Relay) SetTarget(endpoint string) error {
	if _, _, err := split(endpoint); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = endpoint
	return nil
}

// Close stops the relay: it cuts all connections, and returns when all its goroutines have ended. It may be called any
// number of times. Stats works afterwards.
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

// accept serves the connections that come in until the relay is closed.
func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		switch {
		case err == nil:
			r.wg.Go(func() { r.serve(client) })
		case errors.Is(err, net.ErrClosed):
			return
		default: // a connection that ended at once, or no descriptor left for it
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

// add makes the relay's part of a connection that has come in. It returns nil if the connection is refused.
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
	for _, l := range c.lanes() {
		l.set(r.faultsOf(l.direction))
	}
	return c
}

// dial connects to the target, once there is no partition, and returns the target's endpoint too.
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
