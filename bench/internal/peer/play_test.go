package peer_test

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/experimance/experimance-go/bench/internal/engine"
	"github.com/experimance/experimance-go/bench/internal/engine/rawtcp"
	"github.com/experimance/experimance-go/bench/internal/peer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// one returns the spec of a role with one socket.
func one(role peer.Role, kind engine.Kind) peer.Spec {
	return peer.Spec{
		Role: role, Socket: kind, Endpoint: "tcp://127.0.0.1:*", Bind: true, Sockets: 1, Peers: 1, Size: 64, Frames: 1,
		Window: time.Millisecond,
	}
}

// played is a peer at play.
type played struct {
	tell  *io.PipeWriter
	lines *bufio.Reader
	err   chan error
}

func play(e engine.Engine, spec peer.Spec) *played {
	words, tell := io.Pipe()
	lines, say := io.Pipe()
	p := &played{tell: tell, lines: bufio.NewReader(lines), err: make(chan error, 1)}
	go func() {
		p.err <- peer.Play(e, spec, words, say)
		_ = say.Close()
	}()
	return p
}

// expect returns the rest of the next line, which must begin with a word.
func (p *played) expect(t *testing.T, want string) string {
	t.Helper()
	line, err := p.lines.ReadString('\n')
	word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	if err != nil || word != want {
		t.Fatalf("line %q, %v; want %s", line, err, want)
	}
	return rest
}

func TestUnsupportedIsTold(t *testing.T) {
	t.Parallel()
	p := play(rawtcp.Engine{}, one(peer.Flood, engine.Pub))
	if reason := p.expect(t, peer.Unsupported); !strings.Contains(reason, "publish") {
		t.Errorf("reason %q", reason)
	}
	if err := <-p.err; err == nil {
		t.Error("no error was returned")
	}
	_ = p.tell.Close()
}

func TestFailureIsTold(t *testing.T) {
	t.Parallel()
	spec := one(peer.Flood, engine.Push)
	spec.Endpoint = "tcp://127.0.0.1:nowhere"
	p := play(rawtcp.Engine{}, spec)
	if reason := p.expect(t, peer.Failed); !strings.Contains(reason, "nowhere") {
		t.Errorf("reason %q", reason)
	}
	if err := <-p.err; err == nil {
		t.Error("no error was returned")
	}
	_ = p.tell.Close()
}

func TestEndsWithTheRunner(t *testing.T) {
	t.Parallel()
	p := play(silent{}, one(peer.Hold, engine.Pub))
	p.expect(t, peer.Bound)
	if _, err := io.WriteString(p.tell, peer.Send+"\n"+peer.Mem+"\n"); err != nil {
		t.Fatal(err)
	}
	p.expect(t, peer.Ready)
	if values := p.expect(t, peer.Result); !strings.Contains(values, "rss=") {
		t.Errorf("memory %q", values)
	}
	_ = p.tell.Close()
	if err := <-p.err; err != nil {
		t.Errorf("the end of the runner is an error: %v", err)
	}
}

// silent is an engine whose sockets send to nobody.
type silent struct{}

func (silent) Name() string    { return "silent" }
func (silent) Version() string { return "" }
func (silent) Open(engine.Kind, engine.Options) (engine.Socket, error) {
	return silentSocket{}, nil
}

type silentSocket struct{}

func (silentSocket) Bind(endpoint string) (string, error) { return endpoint, nil }
func (silentSocket) Connect(string) error                 { return nil }
func (silentSocket) Subscribe(string) error               { return nil }
func (silentSocket) Send([]engine.Message) error          { return nil }
func (silentSocket) Recv(int) ([]byte, error)             { return nil, io.EOF }
