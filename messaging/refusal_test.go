package messaging_test

import (
	"bytes"
	"log/slog"
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

func (b *logbook) warnings() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []string
	for line := range strings.Lines(b.text.String()) {
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

// Peers that cannot come to terms say so in their logs, once per interval, and none is ill for that. Who has another key finds
// the door shut, and is not told why (RFC 26).
func TestRefusedPeersAreLogged(t *testing.T) {
	t.Parallel()
	fleet := func() zmq.Security { return zmq.CurveFleet{Keys: must[zmq.KeyPair](t)(zmq.GenerateKeyPair())} }
	for name, c := range map[string]struct {
		ours, theirs zmq.Security
		told         []string // whose logs tell
	}{
		"no key":      {fleet(), nil, []string{"pub", "pull"}},
		"another key": {fleet(), fleet(), []string{"pub"}},
		"wrong kind":  {nil, nil, []string{"pub", "pull"}},
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
			for _, role := range c.told {
				book := books[role]
				eventually(t, role+" warns", func() bool { return len(book.warnings()) > 0 })
				if w := book.warnings(); len(w) != 1 || !strings.Contains(w[0], "level=WARN") || !strings.Contains(w[0], "socket="+role) {
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
