package interop_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
	"github.com/experimance/experimance-go/zmq"
)

var update = flag.Bool("update", false, "write docs/handshakes.md anew, from what was seen")

// mismatch is a Go socket and one of libzmq that cannot come to terms.
type mismatch struct {
	goHas, peerHas string // what each is configured with
	security       zmq.Security
	args           []string
	goType         string // PULL if empty
	waits          bool   // both wait for each other until the time is up
	race           string // how the text begins if libzmq is faster or slower, see handshakesHead
	binds          string // who binds; both by turns if empty
}

// mismatches returns each mechanism and role on one side with each on the other that does not fit,
// and then wrong keys, passwords and socket types.
func mismatches() []mismatch {
	server, client, other := newPair(), newPair(), newPair()
	passwords := zmq.Passwords(map[string]string{camera: sesame})
	clients := zmq.NewKeySet(client.Public())
	plainServer := zmq.PlainServer{Authenticator: passwords}
	curveServer := zmq.CurveServer{Keys: server, Clients: clients}
	curveArgs := []string{"CURVE_SERVER=1", "CURVE_SECRETKEY=" + server.Secret()}
	plainArgs := []string{"PLAIN_SERVER=1", "zap=" + camera + ":" + sesame}
	sides := []struct {
		name, mechanism string
		server          bool
		security        zmq.Security
		args            []string
	}{
		{"NULL", "NULL", false, nil, nil},
		{"PLAIN server", "PLAIN", true, plainServer, plainArgs},
		{"PLAIN client", "PLAIN", false, zmq.PlainClient{Username: camera, Password: sesame}, []string{"PLAIN_USERNAME=" + camera, "PLAIN_PASSWORD=" + sesame}},
		{"CURVE server", "CURVE", true, curveServer, curveArgs},
		{"CURVE client", "CURVE", false, zmq.CurveClient{Keys: client, ServerKey: server.Public()}, curveClient(client, server)},
	}
	var all []mismatch
	for _, ours := range sides {
		for _, theirs := range sides {
			same := ours.mechanism == theirs.mechanism
			if same && (ours.mechanism == "NULL" || ours.server != theirs.server) {
				continue
			}
			m := mismatch{goHas: ours.name, peerHas: theirs.name, security: ours.security, args: theirs.args, race: closedEarly}
			if same {
				m.waits, m.race = ours.server, unanswered
			}
			all = append(all, m)
		}
	}
	return append(all,
		mismatch{goHas: "PLAIN client, wrong password", peerHas: "PLAIN server", security: zmq.PlainClient{Username: camera, Password: "open"}, args: plainArgs},
		mismatch{goHas: "PLAIN server", peerHas: "PLAIN client, wrong password", security: plainServer, args: []string{"PLAIN_USERNAME=" + camera, "PLAIN_PASSWORD=open"}},
		mismatch{goHas: "PLAIN client", peerHas: "PLAIN server without a ZAP handler", security: zmq.PlainClient{Username: camera, Password: sesame}, args: plainArgs[:1]},
		mismatch{goHas: "CURVE client, wrong server key", peerHas: "CURVE server", security: zmq.CurveClient{Keys: client, ServerKey: other.Public()}, args: curveArgs},
		mismatch{goHas: "CURVE server", peerHas: "CURVE client, wrong server key", security: curveServer, args: curveClient(client, other)},
		mismatch{goHas: "CURVE client, unknown key", peerHas: "CURVE server", security: zmq.CurveClient{Keys: other, ServerKey: server.Public()}, args: append(curveArgs, "refuse=400")},
		mismatch{goHas: "CURVE server", peerHas: "CURVE client, unknown key", security: curveServer, args: curveClient(other, server)},
		mismatch{goHas: "CURVE client", peerHas: "CURVE server, ZAP status 500", security: zmq.CurveClient{Keys: client, ServerKey: server.Public()}, args: append(curveArgs, "refuse=500")},
		mismatch{goHas: "NULL", peerHas: "NULL, ZAP status 400", args: []string{"ZAP_DOMAIN=x", "refuse=400"}, binds: "libzmq"},                  // connecting, libzmq aborts
		mismatch{goHas: "NULL with an Authenticator", peerHas: "NULL, refused", security: zmq.NullServer{Authenticator: passwords}, binds: "Go"}, // which asks about those who connect
		mismatch{goHas: "NULL, SUB", peerHas: "NULL, PUSH", goType: "SUB", binds: "Go"},
		mismatch{goHas: "NULL, SUB", peerHas: "NULL, PUSH", goType: "SUB", binds: "libzmq", race: "security stage: socket type SUB does not accept"},
	)
}

// oppose connects one of libzmq, of type PUSH, with a Go socket that binds or connects at the
// endpoint.
func (m mismatch) oppose(t *testing.T, goBinds bool, open func(t *testing.T, endpoint string) (bound string)) {
	t.Helper()
	args := append([]string{"type=PUSH", "RECONNECT_IVL=20"}, m.args...)
	if goBinds {
		inC.start(t, append(args, "connect="+open(t, wildcard()))...)
	} else {
		open(t, inC.start(t, append(args, "bind="+wildcard())...).endpoint("socket"))
	}
}

// event returns the cause in the event of the failed handshake.
func (m mismatch) event(t *testing.T, goBinds bool) error {
	t.Helper()
	cfg, events := watched()
	cfg.Security = m.security
	if m.waits {
		cfg.HandshakeTimeout = time.Second / 2
	}
	kind := "PULL"
	if m.goType != "" {
		kind = m.goType
	}
	m.oppose(t, goBinds, func(t *testing.T, endpoint string) string {
		s := openers[kind](t, cfg)
		if goBinds {
			return bind(t, s)
		}
		connect(t, s, endpoint)
		return ""
	})
	return awaitEvent(t, events, zmq.EventHandshakeFailed).Err
}

// logbook is a handler's output.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // of capacity one
}

func (b *logbook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Write(p)
	select {
	case b.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

// find waits for a line that the pattern matches, and returns what it captures.
func (b *logbook) find(t *testing.T, pattern *regexp.Regexp) string {
	t.Helper()
	ctx := within(t)
	for {
		b.mu.Lock()
		text := b.text.String()
		b.mu.Unlock()
		if found := pattern.FindStringSubmatch(text); found != nil {
			return found[1]
		}
		select {
		case <-b.more:
		case <-ctx.Done():
			t.Fatalf("nothing in the log matches %s: %s", pattern, text)
		}
	}
}

var warning = regexp.MustCompile(`level=WARN msg="no connection: handshake failed" .* error=(".*")`)

// logged returns the cause in the log of a service.
func (m mismatch) logged(t *testing.T, goBinds bool) string {
	t.Helper()
	book := &logbook{more: make(chan struct{}, 1)}
	cfg := messaging.Config{Security: m.security, Service: service.Config{Logger: slog.New(slog.NewTextHandler(book, nil))}}
	m.oppose(t, goBinds, func(t *testing.T, endpoint string) string {
		t.Helper()
		var svc service.Lifecycle
		var addresses func() []string
		var err error
		if m.goType == "SUB" {
			s, failed := messaging.NewSubscriber(messaging.SubscriberConfig{Name: "sub", Address: endpoint, Config: cfg})
			svc, err, addresses = s, failed, func() []string { return s.SubAddresses() }
		} else {
			s, failed := messaging.NewPuller(messaging.PullerConfig{Name: "pull", Address: endpoint, Config: cfg})
			svc, err, addresses = s, failed, func() []string { return s.PullAddresses() }
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := svc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if _, err := svc.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return addresses()[0]
	})
	quoted := book.find(t, warning)
	var text string
	if _, err := fmt.Sscanf(quoted, "%q", &text); err != nil {
		t.Fatalf("%s: %v", quoted, err)
	}
	return text
}

var (
	prefixes = regexp.MustCompile(`^zmq: handshake with \S+ failed in its `)
	z85      = regexp.MustCompile(`[0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-]{40}`)
	address  = regexp.MustCompile(`127\.\d+\.\d+\.\d+(:\d+)?(->127\.\d+\.\d+\.\d+:\d+)?`)
)

// normal leaves out what is different each time.
func normal(text string) string {
	text = prefixes.ReplaceAllString(text, "")
	text = z85.ReplaceAllString(text, "KEY")
	text = address.ReplaceAllString(text, "ADDRESS")
	text = strings.ReplaceAll(text, "500ms", "30s")
	return strings.ReplaceAll(text, "|", `\|`)
}

const handshakesHead = `# When libzmq and a Go socket cannot come to terms

This is what the event EventHandshakeFailed and the log of a service say when a socket of libzmq 4.3.4
is configured in another way. Each text begins with "zmq: handshake with ADDRESS failed in its"; Kind
and Refused are fields of the HandshakeError. A key is KEY here, and an address ADDRESS.
` + "`go test ./interop -run TestMismatches -update`" + ` makes the table, and the same test without -update
compares it with what real peers do.

libzmq closes the connection without a word for another mechanism, another server key, another socket
type, and a second client. On a busy machine it may do so before it has sent what would name the cause.
Then the text is:

- another mechanism: "` + closedEarly + ` ...";
- two clients: "` + unanswered + ` ...".

If it does not accept our socket type, it may also tell its own before it closes the connection.

| Go has | libzmq has | binds | Kind | Refused | event and log |
| --- | --- | --- | --- | --- | --- |
`

// What is said if libzmq was faster, see handshakesHead.
const (
	closedEarly = "greeting stage: peer closed the connection before it sent its security mechanism: that is likely to be another one than ours"
	unanswered  = "security stage: peer closed the connection instead of answering with WELCOME:"
)

// lineOf returns the line of text that begins so, empty if there is none.
func lineOf(text, beginning string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, beginning) {
			return line
		}
	}
	return ""
}

// TestMismatches has a real peer of libzmq fail in each way, and compares what event and log say
// with the table in the docs.
func TestMismatches(t *testing.T) {
	path := filepath.Join("..", "docs", "handshakes.md")
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := mismatches()
	rows := make([][2]string, len(all))
	t.Run("all", func(t *testing.T) {
		for i, m := range all {
			for side, goBinds := range []bool{true, false} {
				binds := map[bool]string{true: "Go", false: "libzmq"}[goBinds]
				if m.binds != "" && m.binds != binds {
					continue
				}
				t.Run(m.goHas+" and "+m.peerHas+", binds "+binds, func(t *testing.T) {
					t.Parallel()
					text, faster := "", false
					row := fmt.Sprintf("| %s | %s | %s |", m.goHas, m.peerHas, binds)
					for range 50 {
						err := m.event(t, goBinds)
						text = normal(err.Error())
						var failed *zmq.HandshakeError
						if !errors.As(err, &failed) {
							t.Fatalf("%T: %v", err, err)
						}
						rows[i][side] = fmt.Sprintf("%s %s | %t | %s |\n", row, failed.Kind, failed.Refused, text)
						if faster = m.race != "" && strings.HasPrefix(text, m.race); !faster {
							break
						}
						t.Logf("libzmq was faster: %s", text)
					}
					if old := lineOf(string(want), row); faster && old != "" {
						rows[i][side] = old // the machine is too busy to see it
					}
					if m.waits {
						return // a service would take 30 s to tell
					}
					if logged := normal(m.logged(t, goBinds)); logged != text && !faster && (m.race == "" || !strings.HasPrefix(logged, m.race)) {
						t.Errorf("the log says\n     %s\nwhile the event says\n     %s", logged, text)
					}
				})
			}
		}
	})
	if t.Failed() || t.Skipped() {
		return
	}
	var made strings.Builder
	made.WriteString(handshakesHead)
	for _, row := range rows {
		made.WriteString(row[0] + row[1])
	}
	if *update {
		if err := os.WriteFile(path, []byte(made.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if made.String() != string(want) {
		t.Errorf("docs/handshakes.md is not what was seen; write it anew with -update. Seen:\n%s", made.String())
	}
}
