package zmq_test

import (
	"context"
	"errors"
	"flag"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/experimance/experimance-go/zmq"
)

func TestMain(m *testing.M) {
	runMoreInParallel()
	debug.SetMemoryLimit(1 << 30) // the garbage of one test must not wait for that of all others
	goleak.VerifyTestMain(m)
}

// runMoreInParallel has more parallel tests run at once than there are processors, unless the
// command line says how many: most of them wait for most of their time.
func runMoreInParallel() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0))) // it is a number
	}
}

// within returns a context that fails the test's calls, instead of hanging them, when something is wrong.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// ended returns a context that has ended: a call that would have to wait fails at once.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// wildcard is an endpoint to bind on any free port of the loopback interface.
const wildcard = "tcp://127.0.0.1:*"

// endpoints are the carriers that each behaviour is tested over: an endpoint to bind for each.
func endpoints(t testing.TB) map[string]string {
	return map[string]string{"tcp": wildcard, "ipc": "ipc://*", "inproc": "inproc://" + t.Name()}
}

// overEach runs a test over each carrier.
func overEach(t *testing.T, test func(t *testing.T, endpoint string)) {
	for carrier, endpoint := range endpoints(t) {
		t.Run(carrier, func(t *testing.T) {
			t.Parallel()
			test(t, endpoint)
		})
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition that announces itself in no other way.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	ctx := within(t)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("never came about: " + what)
		}
	}
}

// inBackground runs f in a goroutine and returns where its result will be.
func inBackground[T any](f func() T) <-chan T {
	result := make(chan T, 1)
	go func() { result <- f() }()
	return result
}

// await returns what comes from c.
func await[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-within(t).Done():
		t.Fatal("never came: " + what)
		panic("unreachable")
	}
}

// socket is what all types of socket have in common.
type socket interface {
	Bind(endpoint string) (string, error)
	Connect(endpoint string) error
	Unbind(endpoint string) error
	Disconnect(endpoint string) error
	Endpoints() []string
	WaitPeers(ctx context.Context, n int) error
	Stats() zmq.Stats
	Shutdown(ctx context.Context) error
	Close() error
}

type sender interface {
	socket
	Send(ctx context.Context, frames ...[]byte) error
}

type receiver interface {
	socket
	Recv(ctx context.Context) (zmq.Message, error)
}

var (
	_ sender   = (*zmq.Push)(nil)
	_ sender   = (*zmq.Pub)(nil)
	_ receiver = (*zmq.Pull)(nil)
	_ receiver = (*zmq.Sub)(nil)
)

// kinds are the socket types, and partner is whom each may talk to.
var (
	kinds   = []string{"PUB", "SUB", "PUSH", "PULL"}
	partner = map[string]string{"PUB": "SUB", "SUB": "PUB", "PUSH": "PULL", "PULL": "PUSH"}
)

// newSocket makes a socket of any type. A SUB subscribes to everything. All are closed when the test ends.
func newSocket(t testing.TB, kind string, cfg zmq.Config) socket {
	t.Helper()
	switch kind {
	case "PUB":
		return newPub(t, cfg)
	case "SUB":
		return newSub(t, cfg, "")
	case "PUSH":
		return newPush(t, cfg)
	case "PULL":
		return newPull(t, cfg)
	}
	t.Fatal("no such socket: " + kind)
	return nil
}

func closing(t testing.TB, s socket) { t.Cleanup(func() { check(t, s.Close()) }) }

func newPush(t testing.TB, cfg zmq.Config) *zmq.Push {
	t.Helper()
	s := must(zmq.NewPush(cfg))(t)
	closing(t, s)
	return s
}

func newPull(t testing.TB, cfg zmq.Config) *zmq.Pull {
	t.Helper()
	s := must(zmq.NewPull(cfg))(t)
	closing(t, s)
	return s
}

func newPub(t testing.TB, cfg zmq.Config) *zmq.Pub {
	t.Helper()
	s := must(zmq.NewPub(cfg))(t)
	closing(t, s)
	return s
}

func newSub(t testing.TB, cfg zmq.Config, prefixes ...string) *zmq.Sub {
	t.Helper()
	s := must(zmq.NewSub(cfg))(t)
	closing(t, s)
	for _, prefix := range prefixes {
		check(t, s.Subscribe(prefix))
	}
	return s
}

// bind binds a socket and returns the resolved endpoint.
func bind(t testing.TB, s socket, endpoint string) string {
	t.Helper()
	return must(s.Bind(endpoint))(t)
}

// pair binds one socket, connects the other, and waits until each sees its peer.
func pair(t testing.TB, bound, connected socket, endpoint string) string {
	t.Helper()
	at := bind(t, bound, endpoint)
	check(t, connected.Connect(at))
	check(t, connected.WaitPeers(within(t), 1))
	check(t, bound.WaitPeers(within(t), 1))
	return at
}

// send sends a message of frames.
func send(t testing.TB, s sender, frames ...string) {
	t.Helper()
	check(t, s.Send(within(t), encode(frames)...))
}

func encode(frames []string) [][]byte {
	b := make([][]byte, len(frames))
	for i, f := range frames {
		b[i] = []byte(f)
	}
	return b
}

// text is a message's frames, joined by bars. It releases the message.
func text(m zmq.Message) string {
	frames := make([]string, m.Len())
	for i, f := range m.All() {
		frames[i] = string(f)
	}
	m.Release()
	return strings.Join(frames, "|")
}

// recv receives a message, in the form of text.
func recv(t testing.TB, s receiver) string {
	t.Helper()
	m, err := s.Recv(within(t))
	check(t, err)
	return text(m)
}

// expect receives messages, which must be these.
func expect(t testing.TB, s receiver, messages ...string) {
	t.Helper()
	for _, want := range messages {
		if got := recv(t, s); got != want {
			t.Fatalf("received %q, want %q", got, want)
		}
	}
}

// untilReceived receives messages until this one comes.
func untilReceived(t testing.TB, s receiver, want string) {
	t.Helper()
	for got := recv(t, s); got != want; {
		got = recv(t, s)
	}
}

// settled waits until nothing is queued, and returns the statistics.
func settled(t testing.TB, s socket) (st zmq.Stats) {
	t.Helper()
	eventually(t, "nothing is queued", func() bool {
		st = s.Stats()
		return st.Queued == 0
	})
	return st
}

// isClosed fails the test unless err is what a closed socket's calls fail with.
func isClosed(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, zmq.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}
