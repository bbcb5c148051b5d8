package interop_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// socket is what the sockets of package zmq have in common.
type socket interface {
	Bind(endpoint string) (string, error)
	Connect(endpoint string) error
	Disconnect(endpoint string) error
	Close() error
	Stats() zmq.Stats
	WaitPeers(ctx context.Context, n int) error
}

type sender interface {
	socket
	Send(ctx context.Context, frames ...[]byte) error
}

type receiver interface {
	socket
	Recv(ctx context.Context) (zmq.Message, error)
}

// within is a context that ends with the test, or when waiting makes no sense any more.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// open makes a socket by one of zmq's constructors and has it closed at the end.
func open[S socket](t *testing.T, newSocket func(zmq.Config) (S, error), cfg zmq.Config) S {
	t.Helper()
	s, err := newSocket(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// openSender opens a Go socket of a sending type.
func openSender(t *testing.T, kind string, cfg zmq.Config) sender {
	t.Helper()
	if kind == "PUB" {
		return open(t, zmq.NewPub, cfg)
	}
	return open(t, zmq.NewPush, cfg)
}

// openReceiver opens a Go socket of a receiving type. A SUB takes all.
func openReceiver(t *testing.T, kind string, cfg zmq.Config) receiver {
	t.Helper()
	if kind == "PULL" {
		return open(t, zmq.NewPull, cfg)
	}
	sub := open(t, zmq.NewSub, cfg)
	if err := sub.Subscribe(""); err != nil {
		t.Fatal(err)
	}
	return sub
}

// bind binds a Go socket to a free port and returns the endpoint.
func bind(t *testing.T, s socket) string {
	t.Helper()
	endpoint, err := s.Bind(wildcard())
	if err != nil {
		t.Fatal(err)
	}
	return endpoint
}

func connect(t *testing.T, s socket, endpoint string) {
	t.Helper()
	if err := s.Connect(endpoint); err != nil {
		t.Fatal(err)
	}
}

// meet starts a bare Python socket and connects it with the Go socket; who binds is the caller's choice.
func meet(t *testing.T, s socket, goBinds bool, args ...string) *peer {
	t.Helper()
	if goBinds {
		return startPeer(t, "bare_socket", append(args, "--address", ">"+bind(t, s))...)
	}
	p := startPeer(t, "bare_socket", append(args, "--address", "@"+wildcard())...)
	connect(t, s, p.endpoint("socket"))
	return p
}

// waitReady waits until what the socket sends will reach n peers.
func waitReady(t *testing.T, s sender, n int) {
	t.Helper()
	var err error
	if pub, ok := s.(*zmq.Pub); ok {
		err = pub.WaitSubscribers(within(t), "", n)
	} else {
		err = s.WaitPeers(within(t), n)
	}
	if err != nil {
		t.Fatalf("wait for %d peers: %v", n, err)
	}
}

func send(t *testing.T, s sender, frames ...[]byte) {
	t.Helper()
	if err := s.Send(within(t), frames...); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// recv returns the next message that is not a beat.
func recv(t *testing.T, s receiver) zmq.Message {
	t.Helper()
	for {
		m := recvAny(t, s)
		if m.Len() != 1 || !strings.HasPrefix(string(m.Bytes()), "beat") {
			return m
		}
		m.Release()
	}
}

func recvAny(t *testing.T, s receiver) zmq.Message {
	t.Helper()
	m, err := s.Recv(within(t))
	if err != nil {
		t.Fatalf("recv: %v", err)
	}
	return m
}

// awaitBeat receives one beat, which shows that the peer's messages arrive, and ends the beats.
func awaitBeat(t *testing.T, s receiver, p *peer) {
	t.Helper()
	if m := recvAny(t, s); !strings.HasPrefix(string(m.Bytes()), "beat") {
		t.Fatalf("got %.40q, want a beat", m.Bytes())
	}
	p.do("quiet", nil)
}

// recvUntil receives until this message comes, and drops the others.
func recvUntil(t *testing.T, s receiver, want string) {
	t.Helper()
	for got := ""; got != want; {
		got = string(recvAny(t, s).Bytes())
	}
}

// direction is a pair of socket types, the sender first, and who binds.
type direction struct {
	sender, receiver string
	goBinds          bool
}

func (d direction) String() string {
	if d.goBinds {
		return d.sender + " to " + d.receiver + ", Go binds"
	}
	return d.sender + " to " + d.receiver + ", Python binds"
}

var directions = []direction{
	{"PUB", "SUB", true}, {"PUB", "SUB", false}, {"PUSH", "PULL", true}, {"PUSH", "PULL", false},
}

// eachDirection runs a test for PUB to SUB and PUSH to PULL, with either side binding.
func eachDirection(t *testing.T, test func(t *testing.T, d direction)) {
	t.Helper()
	t.Parallel()
	for _, d := range directions {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			test(t, d)
		})
	}
}

// shapes are the messages sent both ways, as sizes of their frames: around the limits of short frames (255 bytes), of
// buffers, and one of a mebibyte.
var shapes = [][]int{
	{0},
	{1},
	{254},
	{255},
	{256},
	{4096},
	{8191},
	{8192},
	{8193},
	{65535},
	{65536},
	{65537},
	{1 << 20},
	{0, 0},
	{3, 0, 3},
	{0, 1 << 20, 0},
	{255, 256, 8192, 65536},
	{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
}

// shaped makes the frames of a shape; no two shapes or frames have the same bytes.
func shaped(shape []int, number int) (frames [][]byte, commands []command) {
	for i, size := range shape {
		seed := number*13 + i
		frames = append(frames, pattern(size, seed))
		commands = append(commands, command{"size": size, "seed": seed})
	}
	return frames, commands
}

func describeAll(frames [][]byte) (all []frame) {
	for _, body := range frames {
		all = append(all, describe(body))
	}
	return all
}

func TestSendToPython(t *testing.T) {
	eachDirection(t, func(t *testing.T, d direction) {
		s := openSender(t, d.sender, zmq.Config{})
		p := meet(t, s, d.goBinds, receiving(d.receiver)...)
		waitReady(t, s, 1)
		for number, shape := range shapes {
			frames, _ := shaped(shape, number)
			send(t, s, frames...)
		}
		for number, shape := range shapes {
			frames, _ := shaped(shape, number)
			if got, want := p.expect("received").Frames, describeAll(frames); !equalFrames(got, want) {
				t.Fatalf("shape %v: Python got %+v, want %+v", shape, got, want)
			}
		}
	})
}

func TestReceiveFromPython(t *testing.T) {
	eachDirection(t, func(t *testing.T, d direction) {
		s := openReceiver(t, d.receiver, zmq.Config{})
		p := meet(t, s, d.goBinds, "--type", d.sender, "--beat", "beat")
		awaitBeat(t, s, p)
		for number, shape := range shapes {
			_, commands := shaped(shape, number)
			p.tell("send", command{"frames": commands})
		}
		for number, shape := range shapes {
			frames, _ := shaped(shape, number)
			m := recv(t, s)
			if got, want := describeAll(m.Frames()), describeAll(frames); !equalFrames(got, want) {
				t.Fatalf("shape %v: got %+v, want %+v", shape, got, want)
			}
			m.Release()
		}
	})
}

// receiving is the command line of a bare receiver; a SUB takes all.
func receiving(kind string, args ...string) []string {
	line := append([]string{"--type", kind}, args...)
	if kind == "SUB" {
		line = append(line, "--subscribe", "")
	}
	return line
}

const many = 100_000

// everything is a configuration with which PUB drops nothing; it goes with --hwm 0 on the other side.
var everything = zmq.Config{SendHWM: -1, RecvHWM: -1, SendHWMBytes: -1, RecvHWMBytes: -1}

func TestManyToPython(t *testing.T) {
	eachDirection(t, func(t *testing.T, d direction) {
		cfg, args := zmq.Config{}, receiving(d.receiver, "--tally", fmt.Sprint(many))
		if d.sender == "PUB" {
			cfg, args = everything, append(args, "--hwm", "0")
		}
		s := openSender(t, d.sender, cfg)
		p := meet(t, s, d.goBinds, args...)
		waitReady(t, s, 1)
		ctx := within(t)
		for number := range many {
			if err := s.Send(ctx, fmt.Appendf(nil, "%012d", number)); err != nil {
				t.Fatalf("send %d: %v", number, err)
			}
		}
		if e := p.expect("tally"); e.Count != many || e.First != 0 || e.Last != many-1 || !e.Ordered {
			t.Errorf("Python got %+v, want %d in order", e, many)
		}
	})
}

func TestManyFromPython(t *testing.T) {
	eachDirection(t, func(t *testing.T, d direction) {
		cfg, args := zmq.Config{}, []string{"--type", d.sender, "--beat", "beat"}
		if d.sender == "PUB" {
			cfg, args = everything, append(args, "--hwm", "0")
		}
		s := openReceiver(t, d.receiver, cfg)
		p := meet(t, s, d.goBinds, args...)
		awaitBeat(t, s, p)
		p.tell("burst", command{"count": many})
		receiveBurst(t, s, 0, many)
	})
}

// receiveBurst receives the numbered messages [first, first+count) and nothing between them.
func receiveBurst(t *testing.T, s receiver, first, count int) {
	t.Helper()
	ctx := within(t)
	for want := first; want < first+count; {
		m, err := s.Recv(ctx)
		if err != nil {
			t.Fatalf("recv %d: %v", want, err)
		}
		if strings.HasPrefix(string(m.Bytes()), "beat") {
			continue
		}
		if got, want := string(m.Bytes()[:min(12, len(m.Bytes()))]), fmt.Sprintf("%012d", want); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		m.Release()
		want++
	}
}
