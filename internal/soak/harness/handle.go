package harness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/experimance/experimance-go/internal/soak/peer"
)

// handle controls a running peer. Its methods must not be called concurrently.
type handle interface {
	endpoint() string
	begin() error
	stop(ctx context.Context) error
	// rejoin makes the socket leave its endpoints and join them again.
	rejoin(ctx context.Context) error
	// drain drains the socket within a time limit. It returns nil also if that is exceeded.
	drain(ctx context.Context, limit time.Duration) error
	// close closes the socket, and waits for the end of its goroutines or its process.
	close(ctx context.Context, linger time.Duration) error
	// kill kills the peer's process, and waits for its end.
	kill() error
	// pause and resume suspend and continue the peer's process.
	pause() error
	resume() error
}

// local is a peer in this process.
type local struct{ *peer.Peer }

var errLocal = errors.New("a peer in this process cannot be killed or paused")

func (l local) endpoint() string { return l.Endpoint() }
func (l local) begin() error     { l.Begin(); return nil }

func (l local) stop(ctx context.Context) error {
	l.Stop(ctx)
	return ctx.Err()
}

func (l local) rejoin(ctx context.Context) error {
	return within(ctx, "rejoin", l.Rejoin)
}

func (l local) drain(ctx context.Context, limit time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	l.Drain(limited)
	return ctx.Err()
}

func (l local) close(ctx context.Context, linger time.Duration) error {
	return within(ctx, "close", func() { _ = l.Close(linger) }) // always nil
}

// within waits until a call returns or ctx ends.
func within(ctx context.Context, what string, call func()) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		call()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
}

func (l local) kill() error   { return errLocal }
func (l local) pause() error  { return errLocal }
func (l local) resume() error { return errLocal }

// process is a peer in a process of its own.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	stderr  strings.Builder
	at      string        // bound endpoint
	ready   chan string   // receives the bound endpoint, once
	stopped chan struct{} // closed at the event Stopped
	drained chan struct{} // closed at the event Drained
	joined  chan struct{} // receives one value for each event Joined
	exited  chan struct{} // closed when the process has ended and err is set
	err     error
	ending  atomic.Bool // the process was told to end, or killed
}

// libzmqAssertion is part of the message with which libzmq aborts the process after an internal error.
// crashed is the event for that.
const (
	libzmqAssertion                = "Assertion failed"
	crashed         peer.EventKind = "crashed"
)

// startProcess starts the process of a peer, and waits until it is ready.
func startProcess(ctx context.Context, command []string, cfg peer.Config, record func(peer.Event)) (*process, error) {
	p := &process{
		cmd:   exec.Command(command[0], append(command[1:], cfg.Args()...)...),
		ready: make(chan string, 1), stopped: make(chan struct{}),
		drained: make(chan struct{}), joined: make(chan struct{}, 1), exited: make(chan struct{}),
	}
	p.cmd.Stderr = &p.stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.read(out, record)
	select {
	case p.at = <-p.ready:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("%v has ended at once: %w", p.cmd, p.err)
	case <-ctx.Done():
		_ = p.kill() // best effort
		return nil, fmt.Errorf("%v was not ready in time", p.cmd)
	}
}

// read records events until the process ends.
func (p *process) read(out io.Reader, record func(peer.Event)) {
	defer close(p.exited)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		e, err := peer.ParseEvent(lines.Text())
		switch {
		case err != nil:
			e = peer.Event{Kind: peer.Fault, Text: err.Error()}
		case e.Kind == peer.Ready:
			p.ready <- e.Text
		case e.Kind == peer.Stopped:
			close(p.stopped)
		case e.Kind == peer.Drained:
			close(p.drained)
		case e.Kind == peer.Joined:
			p.joined <- struct{}{}
		}
		record(e)
	}
	p.err = p.cmd.Wait()
	if p.err != nil {
		p.err = fmt.Errorf("%w %s", p.err, p.stderr.String())
	}
	if p.err != nil && strings.Contains(p.stderr.String(), libzmqAssertion) {
		record(peer.Event{Kind: crashed, Text: strings.TrimSpace(p.stderr.String())})
	} else if !p.ending.Load() {
		record(peer.Event{Kind: peer.Fault, Text: fmt.Sprintf("the process has ended by itself: %v", p.err)})
	}
}

func (p *process) command(line string) error {
	_, err := io.WriteString(p.in, line+"\n")
	return err
}

func (p *process) endpoint() string { return p.at }

func (p *process) begin() error { return p.command("begin") }

func (p *process) stop(ctx context.Context) error {
	if err := p.command("stop"); err != nil {
		return err
	}
	return p.await(ctx, p.stopped, "stop")
}

func (p *process) rejoin(ctx context.Context) error {
	if err := p.command("rejoin"); err != nil {
		return err
	}
	return p.await(ctx, p.joined, "rejoin")
}

func (p *process) drain(ctx context.Context, limit time.Duration) error {
	if err := p.command(fmt.Sprint("drain ", limit.Milliseconds())); err != nil {
		return err
	}
	return p.await(ctx, p.drained, "drain")
}

func (p *process) close(ctx context.Context, linger time.Duration) error {
	p.ending.Store(true)
	if err := p.command(fmt.Sprint("close ", linger.Milliseconds())); err != nil {
		return err
	}
	if err := p.await(ctx, p.exited, "close"); err != nil {
		return err
	}
	return p.err
}

// await waits for the effect of a command.
func (p *process) await(ctx context.Context, done <-chan struct{}, what string) error {
	select {
	case <-done:
		return nil
	case <-p.exited:
		if done != p.exited {
			return fmt.Errorf("%s: the process has ended: %w", what, p.err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
}

func (p *process) kill() error {
	p.ending.Store(true)
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	<-p.exited
	return nil
}
