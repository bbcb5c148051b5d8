package interop_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// meeting is a Go socket and one of libzmq, connected to each other.
type meeting struct {
	program program
	types
	goBinds bool
	carrier carrier
	minor   byte // of ZMTP 3; 0 is what libzmq before 4.3.3 speaks
	trust   trust
}

func (m meeting) String() string {
	binds := m.program
	if m.goBinds {
		binds = "Go"
	}
	return fmt.Sprintf("%s and %s in %s, %s binds %s, ZMTP 3.%d, %s", m.goType, m.peerType, m.program, binds, m.carrier, m.minor, m.trust.name)
}

// types are those of the Go socket and of libzmq's.
type types struct{ goType, peerType string }

// compatible are all pairs of types that may be connected.
var compatible = []types{
	{"PUB", "SUB"},
	{"PUB", "XSUB"},
	{"XPUB", "SUB"},
	{"XPUB", "XSUB"},
	{"SUB", "PUB"},
	{"SUB", "XPUB"},
	{"XSUB", "PUB"},
	{"XSUB", "XPUB"},
	{"PUSH", "PULL"},
	{"PULL", "PUSH"},
	{"REQ", "REP"},
	{"REQ", "ROUTER"},
	{"REP", "REQ"},
	{"REP", "DEALER"},
	{"DEALER", "REP"},
	{"DEALER", "DEALER"},
	{"DEALER", "ROUTER"},
	{"ROUTER", "REQ"},
	{"ROUTER", "DEALER"},
	{"ROUTER", "ROUTER"},
	{"PAIR", "PAIR"},
}

// oneWay reports whether a socket of this type only sends.
func oneWay(kind string) bool { return kind == "PUB" || kind == "XPUB" || kind == "PUSH" }

// begins reports whether a socket of type a may send first to one of type b.
func begins(a, b string) bool {
	switch a {
	case "SUB", "XSUB", "PULL", "REP":
		return false
	case "ROUTER":
		return b != "REQ"
	}
	return true
}

// carrier is how the two are connected.
type carrier string

const (
	overTCP      carrier = "tcp"
	overPath     carrier = "ipc"
	overAbstract carrier = "abstract ipc"
)

// names counts the abstract endpoints given out.
var names atomic.Uint32

// endpoint is a free one to bind.
func (c carrier) endpoint() string {
	switch c {
	case overPath:
		return "ipc://*"
	case overAbstract:
		return fmt.Sprintf("ipc://@experimance-interop-%d-%d", os.Getpid(), names.Add(1))
	}
	return wildcard()
}

// opener makes a constructor of package zmq one of sockets of any type.
func opener[S socket](newSocket func(zmq.Config) (S, error)) func(*testing.T, zmq.Config) socket {
	return func(t *testing.T, cfg zmq.Config) socket {
		t.Helper()
		return open(t, newSocket, cfg)
	}
}

var openers = map[string]func(*testing.T, zmq.Config) socket{
	"PUB":    opener(zmq.NewPub),
	"SUB":    opener(zmq.NewSub),
	"XPUB":   opener(zmq.NewXPub),
	"XSUB":   opener(zmq.NewXSub),
	"PUSH":   opener(zmq.NewPush),
	"PULL":   opener(zmq.NewPull),
	"REQ":    opener(zmq.NewReq),
	"REP":    opener(zmq.NewRep),
	"DEALER": opener(zmq.NewDealer),
	"ROUTER": opener(zmq.NewRouter),
	"PAIR":   opener(zmq.NewPair),
}

// open opens the Go socket, under the name "go". It subscribes to everything.
func (m meeting) open(t *testing.T, cfg zmq.Config) socket {
	t.Helper()
	cfg.Identity, cfg.Security = []byte("go"), m.trust.security
	s := openers[m.goType](t, cfg)
	if s, ok := s.(interface{ Subscribe(prefix string) error }); ok && m.goType != "XPUB" {
		if err := s.Subscribe(""); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// args is the command line of libzmq's socket, whose name is "peer". It subscribes to everything.
func (m meeting) args(more ...string) []string {
	args := append([]string{"type=" + m.peerType, "ROUTING_ID=peer"}, m.trust.args...)
	switch m.peerType {
	case "SUB", "XSUB":
		args = append(args, "SUBSCRIBE=")
	case "ROUTER":
		args = append(args, "ROUTER_MANDATORY=1")
	}
	return append(args, more...)
}

// hold connects the two.
func (m meeting) hold(t *testing.T, cfg zmq.Config, args ...string) (s socket, p *peer) {
	t.Helper()
	s = m.open(t, cfg)
	between := func(endpoint string) string { return endpoint }
	if m.minor == 0 {
		between = func(endpoint string) string { return startRelay(t, endpoint, downgrade, nil).Endpoint() }
	}
	if m.goBinds {
		endpoint, err := s.Bind(m.carrier.endpoint())
		if err != nil {
			t.Fatal(err)
		}
		return s, m.program.start(t, m.args(append(args, "connect="+between(endpoint))...)...)
	}
	p = m.program.start(t, m.args(append(args, "bind="+m.carrier.endpoint())...)...)
	connect(t, s, between(p.endpoint("socket")))
	return s, p
}

// exchange sends messages of these shapes both ways, as far as the types allow it, and back where they are answered.
func (m meeting) exchange(t *testing.T, s socket, p *peer, shapes [][]int) {
	t.Helper()
	all := 0
	batch := len(shapes)
	if m.goType == "REQ" || m.peerType == "REQ" {
		batch = 1
	}
	for chunk := range slices.Chunk(shapes, batch) {
		if begins(m.goType, m.peerType) {
			m.goBegins(t, s.(sender), p, chunk, all)
		}
		if begins(m.peerType, m.goType) {
			m.peerBegins(t, s.(receiver), p, chunk, all)
		}
		all += len(chunk)
	}
}

// goBegins has Go send, and libzmq report what comes or send it back.
func (m meeting) goBegins(t *testing.T, s sender, p *peer, shapes [][]int, first int) {
	t.Helper()
	awaitReader(t, s)
	if !oneWay(m.goType) {
		p.have("echo")
	}
	var sent [][][]byte
	for i, shape := range shapes {
		frames, _ := shaped(shape, first+i)
		frames = append(prefix(m.goType, m.peerType, "peer"), frames...)
		send(t, s, frames...)
		sent = append(sent, frames)
	}
	for _, frames := range sent {
		if oneWay(m.goType) {
			expectFrames(t, p, frames)
		} else {
			m := recvFrames(t, s.(receiver), frames)
			m.Release()
		}
	}
}

// peerBegins has libzmq send, and Go look at what comes and send it back.
func (m meeting) peerBegins(t *testing.T, s receiver, p *peer, shapes [][]int, first int) {
	t.Helper()
	if first == 0 {
		awaitWriter(t, m.peerType, s, p)
	}
	p.have("report")
	for i, shape := range shapes {
		p.order("send", words(prefix(m.peerType, m.goType, "go"), shape, first+i))
	}
	for i, shape := range shapes {
		frames, _ := shaped(shape, first+i)
		if m.goType == "ROUTER" {
			frames = append([][]byte{[]byte("peer")}, frames...)
		}
		if m.goType == "ROUTER" && m.peerType == "REQ" {
			frames = slices.Insert(frames, 1, []byte{})
		}
		got := recvFrames(t, s, frames)
		if !oneWay(m.peerType) {
			send(t, s.(sender), got.Frames()...)
		}
		got.Release()
	}
	if oneWay(m.peerType) {
		return
	}
	for i, shape := range shapes {
		frames, _ := shaped(shape, first+i)
		expectFrames(t, p, append(prefix(m.peerType, m.goType, "go"), frames...))
	}
}

// prefix is the frames that a socket of type a puts before its message to b.
func prefix(a, b, name string) [][]byte {
	switch {
	case a == "ROUTER":
		return [][]byte{[]byte(name)}
	case a == "DEALER" && b == "REP":
		return [][]byte{{}}
	}
	return nil
}

// words are the frames of an order to send.
func words(before [][]byte, shape []int, number int) string {
	var words []string
	for _, frame := range before {
		words = append(words, "="+string(frame))
	}
	for i, size := range shape {
		words = append(words, fmt.Sprintf("%d:%d", size, number*13+i))
	}
	return strings.Join(words, " ")
}

// awaitReader waits until what the Go socket sends will reach its peer.
func awaitReader(t *testing.T, s socket) {
	t.Helper()
	err := s.WaitPeers(within(t), 1)
	if s, ok := s.(interface {
		WaitSubscribers(ctx context.Context, topic string, n int) error
	}); ok && err == nil {
		err = s.WaitSubscribers(within(t), "", 1)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// awaitWriter waits until what libzmq sends will reach the Go socket. Sockets other than PUB and XPUB wait themselves.
func awaitWriter(t *testing.T, peerType string, s receiver, p *peer) {
	t.Helper()
	switch peerType {
	case "PUB":
		p.order("beat", "beat")
		if m := recvAny(t, s); string(m.Bytes()) != "beat" {
			t.Fatalf("got %.40q, want a beat", m.Bytes())
		}
		p.have("quiet")
	case "XPUB":
		p.expect("received", text(""), func(e event) bool { return e.Frames[0].Size == 1 })
	}
}

// expectFrames waits for libzmq to report a message, which must have these frames.
func expectFrames(t *testing.T, p *peer, want [][]byte) {
	t.Helper()
	if got, want := p.expect("received").Frames, describeAll(want); !equalFrames(got, want) {
		t.Fatalf("libzmq got %+v, want %+v", got, want)
	}
}

// recvFrames receives a message, which must have these frames.
func recvFrames(t *testing.T, s receiver, want [][]byte) zmq.Message {
	t.Helper()
	m := recv(t, s)
	if !slices.EqualFunc(m.Frames(), want, bytes.Equal) {
		t.Fatalf("got %+v, want %+v", describeAll(m.Frames()), describeAll(want))
	}
	return m
}
