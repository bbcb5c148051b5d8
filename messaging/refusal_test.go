package messaging_test

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
	"github.com/experimance/experimance-go/zmq"
)

// logbook keeps what is logged.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logbook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logbook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logbook) warnings() []string {
	var found []string
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, "handshake failed") {
			found = append(found, line)
		}
	}
	return found
}

// config returns a configuration that logs to the book.
func (b *logbook) config(s zmq.Security) messaging.Config {
	return messaging.Config{Security: s, Service: service.Config{Logger: slog.New(slog.NewTextHandler(b, nil))}}
}

// Peers that cannot come to terms say so in their logs, with the cause, once per interval, and none
// is ill for that. A peer with another key is not told why it is refused (RFC 26), and its log has
// the likely cause.
func TestRefusedPeersAreLogged(t *testing.T) {
	t.Parallel()
	fleet := func() zmq.Security { return zmq.CurveFleet{Keys: must[zmq.KeyPair](t)(zmq.GenerateKeyPair())} }
	for name, c := range map[string]struct {
		ours, theirs zmq.Security
		says         map[string]string // what the log of each tells
	}{
		"no key": {fleet(), nil, map[string]string{"pub": `"NULL\", ours \"CURVE`, "pull": `"CURVE\", ours \"NULL`}},
		"another key": {fleet(), fleet(), map[string]string{
			"pub": "peer expects another server key", "pull": "instead of answering with WELCOME: the server's key is likely to be another one than",
		}},
		"wrong kind": {nil, nil, map[string]string{"pub": "socket type PUB does not accept", "pull": "peer refused the connection"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			books := map[string]*logbook{"pub": {}, "pull": {}}
			pub := must[*messaging.Publisher](t)(messaging.NewPublisher(messaging.PublisherConfig{
				Name: "pub", Address: freeAddress("tcp"), Config: books["pub"].config(c.ours),
			}))
			run(t, pub)
			pull := must[*messaging.Puller](t)(messaging.NewPuller(messaging.PullerConfig{ // where a Subscriber was meant
				Name: "pull", Address: pub.PubAddresses()[0], Config: books["pull"].config(c.theirs),
			}))
			run(t, pull)
			for role, says := range c.says {
				book := books[role]
				eventually(t, role+" warns", func() bool { return len(book.warnings()) > 0 })
				if w := book.warnings(); len(w) != 1 || !strings.Contains(w[0], "level=WARN") || !strings.Contains(w[0], "socket="+role) || !strings.Contains(w[0], says) {
					t.Errorf("%s: %q", role, w)
				}
			}
			for _, s := range []*service.Service{pub.Service, pull.Service} {
				if st := s.Status(); st != service.StatusHealthy {
					t.Errorf("status of %s: %s", s.Name(), st)
				}
			}
		})
	}
}

// Those who connect and say nothing, as port scans and health checks do, are not worth a warning; a
// peer that stops in the midst of its handshake is, and one that goes beyond a limit.
func TestWhichFailuresAreLogged(t *testing.T) {
	t.Parallel()
	var book logbook
	cfg := book.config(nil)
	cfg.MaxMessageSize = 100
	pull := must[*messaging.Puller](t)(messaging.NewPuller(messaging.PullerConfig{Name: "pull", Address: "tcp://127.0.0.1:*", Config: cfg}))
	run(t, pull)
	at := pull.PullAddresses()[0]
	dial := func() net.Conn {
		conn := must[net.Conn](t)(net.Dial("tcp", strings.TrimPrefix(at, "tcp://")))
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	for range 5 {
		dial().Close()
	}
	half := dial()
	must[int](t)(half.Write([]byte("\xff\x00\x00\x00\x00\x00\x00\x00\x00\x7f")))
	must[int](t)(io.ReadFull(half, make([]byte, 11)))
	half.Close()
	eventually(t, "the half handshake is told", func() bool { return len(book.warnings()) > 0 })
	if w := book.warnings(); len(w) != 1 || !strings.Contains(w[0], "failures=1") || !strings.Contains(w[0], "before it sent its version: it may only speak an older ZMTP") {
		t.Errorf("%q", w)
	}
	push := must[*zmq.Push](t)(zmq.NewPush(zmq.Config{}))
	t.Cleanup(func() { push.Close() })
	check(t, push.Connect(at))
	check(t, push.Send(t.Context(), make([]byte, 200)))
	eventually(t, "the limit is told", func() bool { return strings.Contains(book.String(), "larger than Config.MaxMessageSize") })
	if !strings.Contains(book.String(), `msg="peer disconnected: it went beyond a limit"`) {
		t.Error(book.String())
	}
}
