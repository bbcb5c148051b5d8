//go:build linux

package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// setup is the victim's socket.
type setup struct {
	Kind        string         // "PUB", "PULL" or "PUSH"
	Config      map[string]int // fields of zmq.Config, as far as they are there
	Secret      string         // CURVE key of the server, or none
	Public      string
	Connect     []string // endpoints to connect to; if there are none, the socket is bound
	Descriptors int      // as many as the process may have; 0 means the system's bound
	Receive     bool     // from the beginning
}

// figures are what a victim measures of itself.
type figures struct {
	WorstSend   float64 // in ms, since the last look
	Peak        int     // largest memory that the process had in use, in bytes
	Descriptors int
	Threads     int
	Goroutines  int
	Processor   int // time, in ms
	Received    int
	Honest      int // honest peers of which a message was received
	Peers       int
	Tries       int // attempts to connect
}

//go:embed victim.py
var script string

const python = "/usr/bin/python3"

// process is a victim, as the attacker sees it.
type process struct {
	cmd      *exec.Cmd
	in       io.WriteCloser
	out      *bufio.Reader
	endpoint string
}

// begin starts a victim and returns its figures before the attack, too.
func begin(ctx context.Context, lib string, s setup) (*process, figures, error) {
	v, err := start(ctx, lib, s)
	if err != nil {
		return nil, figures{}, err
	}
	before, err := v.look()
	if err != nil {
		v.stop()
		return nil, figures{}, err
	}
	return v, before, nil
}

// start starts a victim with a socket of a library.
func start(ctx context.Context, lib string, s setup) (*process, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "victim", string(text))
	if lib == "libzmq" {
		cmd = exec.CommandContext(ctx, python, "-c", script, string(text))
		cmd.Dir = os.TempDir()
	}
	cmd.Stderr = os.Stderr
	p := &process{cmd: cmd}
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := p.out.ReadString('\n')
	p.endpoint = strings.TrimSpace(line)
	return p, err
}

// look returns the victim's figures.
func (p *process) look() (f figures, err error) {
	if _, err = io.WriteString(p.in, "look\n"); err != nil {
		return f, err
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return f, errors.Join(errors.New("the victim has ended"), err)
	}
	return f, json.Unmarshal([]byte(line), &f)
}

// receive has the victim receive from now on.
func (p *process) receive() error {
	_, err := io.WriteString(p.in, "receive\n")
	return err
}

// stop ends the victim.
func (p *process) stop() {
	p.in.Close()
	_ = p.cmd.Process.Kill() // an error means that it has ended
	_ = p.cmd.Wait()
}

// until looks at the victim until ok holds or the time is up.
func (p *process) until(limit time.Duration, ok func(figures) bool) (f figures, err error) {
	end := time.Now().Add(limit)
	for {
		if f, err = p.look(); err != nil || ok(f) || time.Now().After(end) {
			return f, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// victim is the process that is attacked.
func victim(text string) {
	var s setup
	fail(json.Unmarshal([]byte(text), &s))
	if s.Descriptors > 0 {
		limit := syscall.Rlimit{Cur: uint64(s.Descriptors), Max: uint64(s.Descriptors)}
		fail(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	}
	events := make(chan zmq.Event, 1000)
	var cfg zmq.Config
	for name, value := range s.Config {
		if f := reflect.ValueOf(&cfg).Elem().FieldByName(name); f.IsValid() {
			f.SetInt(int64(value))
		}
	}
	cfg.Events = events
	if s.Secret != "" {
		keys, err := zmq.ParseSecretKey(s.Secret)
		fail(err)
		cfg.Security = zmq.CurveServer{Keys: keys, Authenticator: everybody}
	}
	v := &victimSocket{peers: map[string]bool{}}
	go func() {
		for e := range events {
			if e.Kind == zmq.EventConnectRetried {
				v.tries.Add(1)
			}
		}
	}()
	v.open(s, cfg)
	v.obey()
}

// everybody accepts every key.
func everybody(context.Context, zmq.AuthRequest) (zmq.Decision, error) {
	return zmq.Accept("somebody"), nil
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "victim:", err)
		os.Exit(1)
	}
}

// victimSocket is the socket that is attacked.
type victimSocket struct {
	socket interface {
		Bind(endpoint string) (string, error)
		Connect(endpoint string) error
		Stats() zmq.Stats
	}
	receive  func()
	worst    atomic.Int64
	sending  atomic.Int64 // when the present Send has begun, since started; 0 if there is none
	received atomic.Int64
	honest   atomic.Int64
	tries    atomic.Int64
	peers    map[string]bool // honest ones; the receiver's
}

// open makes the socket and says where it is bound.
func (v *victimSocket) open(s setup, cfg zmq.Config) {
	switch s.Kind {
	case "PUB":
		pub, err := zmq.NewPub(cfg)
		fail(err)
		v.socket = pub
		go v.tick(pub)
	case "PULL":
		pull, err := zmq.NewPull(cfg)
		fail(err)
		v.socket = pull
		v.receive = func() { v.receiveAll(pull) }
	case "PUSH":
		push, err := zmq.NewPush(cfg)
		fail(err)
		v.socket = push
	}
	if s.Receive {
		go v.receive()
	}
	for _, endpoint := range s.Connect {
		fail(v.socket.Connect(endpoint))
	}
	endpoint := "-"
	if len(s.Connect) == 0 {
		var err error
		endpoint, err = v.socket.Bind("tcp://127.0.0.1:*")
		fail(err)
	}
	fmt.Println(endpoint)
}

// tick publishes every millisecond.
func (v *victimSocket) tick(pub *zmq.Pub) {
	for {
		start := time.Since(started)
		v.sending.Store(int64(start))
		fail(pub.Send(context.Background(), []byte("tick")))
		v.sending.Store(0)
		v.worst.Store(max(v.worst.Load(), int64(time.Since(started)-start)))
		time.Sleep(time.Millisecond)
	}
}

var started = time.Now()

// worstSend returns how long the longest Send since the last call has taken, the present one included, in ms.
func (v *victimSocket) worstSend() float64 {
	worst := v.worst.Swap(0)
	if since := v.sending.Load(); since != 0 {
		worst = max(worst, int64(time.Since(started))-since)
	}
	return float64(worst) / 1e6
}

// receiveAll receives for ever.
func (v *victimSocket) receiveAll(pull *zmq.Pull) {
	for m, err := range pull.Messages(context.Background()) {
		fail(err)
		v.received.Add(1)
		if body := m.Bytes(); len(body) < 100 && strings.HasPrefix(string(body), "honest ") {
			v.peers[string(body)] = true
			v.honest.Store(int64(len(v.peers)))
		}
		m.Release()
	}
}

// obey does what the attacker asks for, until it has enough.
func (v *victimSocket) obey() {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "receive" {
			go v.receive()
			continue
		}
		f := figures{
			WorstSend: v.worstSend(), Goroutines: runtime.NumGoroutine(), Peers: v.socket.Stats().Peers,
			Received: int(v.received.Load()), Honest: int(v.honest.Load()), Tries: int(v.tries.Load()),
		}
		f.Peak, f.Threads = status("VmHWM:")*1024, status("Threads:")
		f.Descriptors = descriptorsInUse()
		var use syscall.Rusage
		fail(syscall.Getrusage(syscall.RUSAGE_SELF, &use))
		f.Processor = int(time.Duration(use.Utime.Nano()+use.Stime.Nano()) / time.Millisecond)
		line, err := json.Marshal(f)
		fail(err)
		fmt.Println(string(line))
	}
}

// The system's files about this process. They are open from the beginning, since there may be no descriptor later.
var (
	statusFile, _ = os.Open("/proc/self/status")
	fdFolder, _   = os.Open("/proc/self/fd")
)

// status returns a number that the system tells of this process.
func status(name string) int {
	text := make([]byte, 8<<10)
	n, _ := statusFile.ReadAt(text, 0)
	_, rest, _ := strings.Cut(string(text[:n]), name)
	number, _ := strconv.Atoi(strings.Fields(rest + " 0")[0])
	return number
}

func descriptorsInUse() int {
	_, _ = fdFolder.Seek(0, io.SeekStart)
	names, _ := fdFolder.Readdirnames(-1)
	return len(names)
}
