package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"time"

	"github.com/experimance/experimance-go/service"
)

// errNoWorkers says that the last worker has ended.
var errNoWorkers = errors.New("no worker is left")

// process is a worker's process, as the controller sees it. Its fields belong to the goroutine that conducts the fleet.
type process struct {
	name  string
	cmd   *exec.Cmd
	stdin io.Closer    // the worker ends at once when it is closed; the system does that where this process dies
	out   bytes.Buffer // valid when ended: the worker's receipt

	present  bool // its hello has come
	answered int  // number of the last roll call that it has answered
	results  int
	ended    bool
	died     bool  // it ended before it was told to
	err      error // how it ended, nil for exit status 0
}

// pid is the system's number of the process.
func (p *process) pid() int { return p.cmd.Process.Pid }

// orphan makes the worker end at once, as it does where this process dies.
func (p *process) orphan() error { return ignoreEnded(p.stdin.Close()) }

// kill has the system end the worker.
func (p *process) kill() error { return ignoreEnded(p.cmd.Process.Kill()) }

// ignoreEnded ignores that a process has ended already.
func ignoreEnded(err error) error {
	if errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// receipt is the receipt of the worker's stop, nil where it gave none.
func (p *process) receipt() *service.Receipt {
	var r service.Receipt
	if !p.ended || json.Unmarshal(p.out.Bytes(), &r) != nil {
		return nil
	}
	return &r
}

// exitedWell is the fate of a worker that stopped as it was told.
const exitedWell = "exit status 0"

// fate tells how the process ended.
func (p *process) fate() string {
	switch {
	case !p.ended:
		return "still running"
	case p.err == nil:
		return exitedWell
	default:
		return p.err.Error()
	}
}

// processes is the fleet's processes.
type processes struct {
	all   []*process
	ended chan *process // each process, when it has ended

	some      context.Context // ends when all processes have ended
	none      context.CancelCauseFunc
	remaining atomic.Int64 // that have not ended, or not been started yet
}

// newProcesses prepares for n processes.
func newProcesses(ctx context.Context, n int) *processes {
	ps := &processes{ended: make(chan *process, n)}
	ps.some, ps.none = context.WithCancelCause(ctx)
	ps.remaining.Store(int64(n))
	return ps
}

// start starts the command as a worker.
func (ps *processes) start(name string, cmd *exec.Cmd, stderr io.Writer) (*process, error) {
	p := &process{name: name, cmd: cmd}
	cmd.Stdout = &p.out
	cmd.Stderr = stderr
	cmd.WaitDelay = time.Second
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.stdin = stdin
	ps.all = append(ps.all, p)
	go func() {
		p.err = cmd.Wait()
		if ps.remaining.Add(-1) == 0 {
			ps.none(errNoWorkers)
		}
		ps.ended <- p
	}()
	return p, nil
}

// living returns the processes that are not known to have ended.
func (ps *processes) living() []*process {
	return slices.DeleteFunc(slices.Clone(ps.all), func(p *process) bool { return p.ended })
}

// named returns the process of the worker with the name, nil where there is none.
func (ps *processes) named(name string) *process {
	i := slices.IndexFunc(ps.all, func(p *process) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return ps.all[i]
}
