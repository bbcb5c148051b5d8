//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
)

// rawPeer is a peer that the attacker plays byte by byte.
type rawPeer struct{ net.Conn }

// dial connects to an endpoint from a loopback address; the system chooses it if from is "".
func dial(ctx context.Context, endpoint, from string) (rawPeer, error) {
	var d net.Dialer
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	nc, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(endpoint, "tcp://"))
	return rawPeer{nc}, err
}

// greet connects to an endpoint and does the handshake of a socket type.
func greet(ctx context.Context, endpoint, kind string) (rawPeer, error) {
	p, err := dial(ctx, endpoint, "")
	if err != nil {
		return p, err
	}
	hello := wire.AppendGreeting(nil, wire.Greeting{Major: 3, Minor: 1, Mechanism: "NULL"})
	hello = wire.AppendCommand(hello, "READY", wire.AppendProperty(nil, "Socket-Type", []byte(kind)))
	if _, err := p.Write(hello); err != nil {
		return p, err
	}
	_, err = io.ReadFull(p, make([]byte, wire.GreetingSize+2+6)) // the beginning of READY
	return p, err
}

// reset ends the connection, and leaves no trace with the system.
func (p rawPeer) reset() {
	_ = p.Conn.(*net.TCPConn).SetLinger(0)
	p.Close()
}

// subscribe returns a subscription as it is on the wire.
func subscribe(topic string) []byte { return wire.AppendSubscribe(nil, 1, false, []byte(topic)) }

// closedPort is a port at which nobody listens. A connection holds it.
func closedPort() (port int, release func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, nil, err
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return 0, nil, err
	}
	return nc.LocalAddr().(*net.TCPAddr).Port, func() { nc.Close() }, nil
}

// silence keeps up to live silent connections from an address, a new one each time gap passes, until ctx ends. It returns how
// many it has made.
func silence(ctx context.Context, endpoint, from string, live int, gap time.Duration) (made int) {
	conns := make([]rawPeer, live)
	defer func() {
		for _, c := range conns {
			if c.Conn != nil {
				c.reset()
			}
		}
	}()
	start := time.Now()
	for ctx.Err() == nil {
		if due := time.Duration(made) * gap; due > time.Since(start) {
			time.Sleep(due - time.Since(start))
		}
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		c, err := dial(short, endpoint, from)
		cancel()
		if err != nil {
			if !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				time.Sleep(time.Millisecond) // the attacker's own bounds
			}
			continue
		}
		if old := conns[made%live]; old.Conn != nil {
			old.reset()
		}
		conns[made%live] = c
		made++
	}
	return made
}

// honestText is the message by which an honest peer is known.
func honestText(i int) []byte { return fmt.Appendf(nil, "honest %d", i) }
