//go:build unix

package interop_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/service"
	"github.com/experimance/experimance-go/zmq"
)

// soon is how long a peer may be silent in the tests that pause one.
const soon = time.Second

// signal sends a signal to a peer's process.
func (p *peer) signal(signal syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatalf("%s: %v: %v", p.name, signal, err)
	}
}

// pause stops a peer in its tracks, until it is resumed or the test ends.
func (p *peer) pause() {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
	p.t.Cleanup(func() { _ = p.cmd.Process.Signal(syscall.SIGCONT) }) // it may be gone
}

func (p *peer) resume() {
	p.t.Helper()
	p.signal(syscall.SIGCONT)
}

// flows waits until messages pass both ways between a peer and a Go socket that sends back what comes. Those under way
// when a connection ends may be lost.
func flows(t *testing.T, p *peer, text string) {
	t.Helper()
	p.order("beat", text)
	p.expect("received", func(e event) bool { return e.Frames[0].Text == text })
	p.have("quiet")
}

// echo sends back what a socket receives, until the test or ctx ends.
func echo(ctx context.Context, s *zmq.Dealer) {
	for {
		m, err := s.Recv(ctx)
		if err != nil {
			return
		}
		if err := s.Send(ctx, m.Frames()...); err != nil {
			return
		}
		m.Release()
	}
}

// echoing has a Go socket send back what comes until the test ends.
func echoing(t *testing.T, s *zmq.Dealer) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		echo(ctx, s)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

// TestLibzmqPaused stops libzmq's process. Go's heartbeat finds out.
func TestLibzmqPaused(t *testing.T) {
	t.Parallel()
	dealers := types{"DEALER", "DEALER"}
	for _, m := range []meeting{
		{inC, dealers, true, overTCP, 1, noTrust},
		{inC, dealers, false, overPath, 1, noTrust},
		{inPython, dealers, true, overTCP, 1, trusts()[curveByGo]},
	} {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			cfg, events := watched()
			cfg.HeartbeatInterval, cfg.HeartbeatTimeout = soon/4, soon
			s, p := m.hold(t, cfg, "HEARTBEAT_IVL=100", "HEARTBEAT_TIMEOUT=60000", "RECONNECT_IVL=20")
			outlives(t, s.(*zmq.Dealer), p, events, "HeartbeatTimeout")
		})
	}
	t.Run("ZMTP 3.0", func(t *testing.T) { // whose peers are judged when they are known to have heartbeats
		t.Parallel()
		cfg, events := watched()
		cfg.HeartbeatInterval, cfg.HeartbeatTimeout = soon/4, soon
		s := open(t, zmq.NewDealer, cfg)
		p := inC.start(t, "type=DEALER", "HEARTBEAT_IVL=100", "HEARTBEAT_TIMEOUT=60000", "bind="+wildcard())
		connectCounting(t, s, p, downgrade)
		outlives(t, s, p, events, "HeartbeatTimeout")
	})
}

// connectCounting connects to a peer through a relay that may alter what passes, and waits until the peer has sent READY and a
// PING.
func connectCounting(t *testing.T, s *zmq.Dealer, p *peer, alter func(position uint64, b []byte)) {
	t.Helper()
	var commands atomic.Int32
	connect(t, s, startRelay(t, p.endpoint("socket"), alter, func(flags byte) {
		if flags&wire.FlagCommand != 0 {
			commands.Add(1)
		}
	}).Endpoint())
	until(t, func() bool { return commands.Load() > 1 })
}

// TestLibzmqTimeToLive stops libzmq's process after it has asked for a time to live. Go has no heartbeat of its own.
func TestLibzmqTimeToLive(t *testing.T) {
	t.Parallel()
	for _, minor := range []byte{0, 1} {
		t.Run(fmt.Sprintf("ZMTP 3.%d", minor), func(t *testing.T) {
			t.Parallel()
			alter := faithful
			if minor == 0 {
				alter = downgrade
			}
			cfg, events := watched()
			s := open(t, zmq.NewDealer, cfg)
			p := inC.start(t, "type=DEALER", "HEARTBEAT_IVL=100", "HEARTBEAT_TIMEOUT=60000",
				fmt.Sprint("HEARTBEAT_TTL=", soon.Milliseconds()), "bind="+wildcard())
			connectCounting(t, s, p, alter) // the PING has the time to live
			outlives(t, s, p, events, "time to live")
		})
	}
}

// outlives pauses a peer until the Go socket has given it up for this cause, and sees messages flow before and after.
func outlives(t *testing.T, s *zmq.Dealer, p *peer, events <-chan zmq.Event, cause string) {
	t.Helper()
	echoing(t, s)
	flows(t, p, "before")
	p.pause()
	if e := awaitEvent(t, events, zmq.EventDisconnected); !strings.Contains(e.Err.Error(), cause) {
		t.Errorf("%v, want the %s to be the cause", e.Err, cause)
	}
	p.resume()
	flows(t, p, "after")
}

// The environment of a process that is a Go socket: the endpoint that it binds, and its heartbeat's time to live.
const (
	goPeerBind = "INTEROP_GO_PEER_BIND"
	goPeerTTL  = "INTEROP_GO_PEER_TTL"
)

// TestGoPeer is no test, but the process that TestGoPaused runs: a DEALER that sends back what comes, until its input ends.
func TestGoPeer(t *testing.T) {
	if os.Getenv(goPeerBind) == "" {
		t.Skip("runs as the peer of TestGoPaused only")
	}
	var cfg zmq.Config
	if ttl := os.Getenv(goPeerTTL); ttl != "" {
		var err error
		if cfg.HeartbeatTTL, err = time.ParseDuration(ttl); err != nil {
			t.Fatal(err)
		}
		cfg.HeartbeatInterval, cfg.HeartbeatTimeout = 10*time.Millisecond, patience
	}
	s := open(t, zmq.NewDealer, cfg)
	echoing(t, s)
	endpoint, err := s.Bind(os.Getenv(goPeerBind))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("{\"event\": \"ready\", \"endpoints\": {\"socket\": [%q]}}\n", endpoint)
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		t.Fatal(err)
	}
	os.Exit(0) // before the test's own words end among the events
}

// startGoPeer starts TestGoPeer as a process.
func startGoPeer(t *testing.T, ttl string) *peer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestGoPeer$")
	cmd.Env = append(os.Environ(), goPeerBind+"="+wildcard(), goPeerTTL+"="+ttl)
	return startCommand(t, "Go", cmd)
}

// TestGoPaused stops the process of a Go socket. libzmq's heartbeat, or the time to live that Go has asked for, finds out.
func TestGoPaused(t *testing.T) {
	t.Parallel()
	heartbeat := []string{"HEARTBEAT_IVL=100", fmt.Sprint("HEARTBEAT_TIMEOUT=", soon.Milliseconds())}
	for _, tt := range []struct {
		name    string
		program program
		ttl     string
		args    []string
	}{
		{"heartbeat of libzmq in C", inC, "", heartbeat},
		{"heartbeat of libzmq in Python", inPython, "", heartbeat},
		{"time to live", inC, soon.String(), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			goPeer := startGoPeer(t, tt.ttl)
			var pings atomic.Int32 // since the last message
			r := startRelay(t, goPeer.endpoint("socket"), faithful, func(flags byte) {
				if flags&wire.FlagCommand == 0 {
					pings.Store(0)
				} else {
					pings.Add(1)
				}
			})
			p := tt.program.start(t, append([]string{"type=DEALER", "monitor=1", "RECONNECT_IVL=20", "connect=" + r.Endpoint()}, tt.args...)...)
			flows(t, p, "before")
			if tt.ttl != "" { // libzmq forgets a time to live with the next message, until the next PING
				until(t, func() bool { return pings.Load() > 5 })
			}
			goPeer.pause()
			p.expect("monitor", func(e event) bool { return e.Kind == "disconnected" })
			goPeer.resume()
			flows(t, p, "after")
		})
	}
}

// until waits for a condition.
func until(t *testing.T, holds func() bool) {
	t.Helper()
	for ctx := within(t); !holds(); {
		select {
		case <-time.After(service.Tick):
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
	}
}
