package relay_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/experimance/experimance-go/internal/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait. It only decides how soon a failure shows.
const patience = time.Minute

// briefly is how long a test looks for something that should not come.
const briefly = 20 * time.Millisecond

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
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

// overEach runs a test over tcp and over Unix domain sockets.
func overEach(t *testing.T, test func(t *testing.T, scheme string)) {
	t.Helper()
	for _, scheme := range []string{"tcp", "ipc"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			test(t, scheme)
		})
	}
}

// target is what a relay forwards to.
type target struct {
	net.Listener
	endpoint string
}

func newTarget(t testing.TB, scheme string) target {
	t.Helper()
	network, address := "tcp", "127.0.0.1:0"
	if scheme == "ipc" {
		network, address = "unix", filepath.Join(must(os.MkdirTemp("", "target"))(t), "socket")
		t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(address)) })
	}
	l := must(net.Listen(network, address))(t)
	t.Cleanup(func() { l.Close() })
	return target{l, scheme + "://" + l.Addr().String()}
}

// start makes a relay that is closed when the test ends.
func start(t testing.TB, cfg relay.Config) *relay.Relay {
	t.Helper()
	r := must(relay.New(cfg))(t)
	t.Cleanup(func() { check(t, r.Close()) })
	return r
}

// dial connects to a relay.
func dial(t testing.TB, r *relay.Relay) net.Conn {
	t.Helper()
	nc := must(tryDial(r))(t)
	limit(t, nc)
	return nc
}

func tryDial(r *relay.Relay) (net.Conn, error) {
	scheme, address, _ := strings.Cut(r.Endpoint(), "://")
	return net.Dial(map[string]string{"tcp": "tcp", "ipc": "unix"}[scheme], address)
}

// expectRefusal connects to a relay that resets the connection.
func expectRefusal(t testing.TB, r *relay.Relay) {
	t.Helper()
	nc, err := tryDial(r)
	if err == nil {
		limit(t, nc)
		_, err = io.ReadAll(nc)
	}
	if strings.HasPrefix(r.Endpoint(), "tcp") && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a reset", err)
	}
}

// accept returns the next connection that a relay has made.
func (l target) accept(t testing.TB) net.Conn {
	t.Helper()
	nc := must(l.Accept())(t)
	limit(t, nc)
	return nc
}

// limit keeps a test from hanging, and closes a connection when it ends.
func limit(t testing.TB, nc net.Conn) {
	t.Cleanup(func() { nc.Close() })
	check(t, nc.SetDeadline(time.Now().Add(patience)))
}

// connected is a relay with one connection.
func connected(t testing.TB, scheme string, cfg relay.Config) (r *relay.Relay, client, server net.Conn) {
	t.Helper()
	at := newTarget(t, scheme)
	cfg.Target = at.endpoint
	r = start(t, cfg)
	client, server = dial(t, r), at.accept(t)
	eventually(t, "the connection stands", func() bool { return r.Stats()[0].Target == at.endpoint })
	return r, client, server
}

func write(t testing.TB, nc net.Conn, text string) {
	t.Helper()
	must(nc.Write([]byte(text)))(t)
}

// expect reads a text.
func expect(t testing.TB, nc net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if n, err := io.ReadFull(nc, b); err != nil || string(b) != want {
		t.Fatalf("read %q, %v, want %q", b[:n], err, want)
	}
}

// expectEnd reads to the end of the stream, before which nothing comes.
func expectEnd(t testing.TB, nc net.Conn) {
	t.Helper()
	if b, err := io.ReadAll(nc); err != nil || len(b) > 0 {
		t.Fatalf("read %q, %v, want the end", b, err)
	}
}

// expectSilence reads nothing for a while.
func expectSilence(t testing.TB, nc net.Conn) {
	t.Helper()
	check(t, nc.SetReadDeadline(time.Now().Add(briefly)))
	b := make([]byte, 100)
	if n, err := nc.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %q, %v, want silence", b[:n], err)
	}
	check(t, nc.SetReadDeadline(time.Now().Add(patience)))
}

func closeWrite(t testing.TB, nc net.Conn) {
	t.Helper()
	check(t, nc.(interface{ CloseWrite() error }).CloseWrite())
}

// ended waits until a relay's only connection has ended, and returns what is known of it.
func ended(t testing.TB, r *relay.Relay) relay.ConnStats {
	t.Helper()
	var all []relay.ConnStats
	eventually(t, "the connection has ended", func() bool {
		all = r.Stats()
		return len(all) == 1 && all[0].End != relay.Open
	})
	return all[0]
}
