package mechanism_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/internal/zmtp"
)

// patience bounds every single wait. It only decides how soon a failure shows.
const patience = 30 * time.Second

// python finds an interpreter whose zmq knows CURVE, once.
var python = sync.OnceValues(func() (string, error) {
	var tried []string
	for _, path := range []string{os.Getenv("EXPERIMANCE_PYTHON"), "/usr/bin/python3", "python3"} {
		if path == "" {
			continue
		}
		if exec.Command(path, "-c", "import zmq; assert zmq.has('curve')").Run() == nil {
			return path, nil
		}
		tried = append(tried, path)
	}
	return "", fmt.Errorf("no Python with zmq and CURVE among %s: install python3-zmq or set EXPERIMANCE_PYTHON", strings.Join(tried, ", "))
})

// needPython skips the test where no peer can run, or fails it where
// EXPERIMANCE_REQUIRE_PEERS=1 forbids that.
func needPython(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the peer needs a POSIX system")
	}
	path, err := python()
	switch {
	case err == nil:
	case os.Getenv("EXPERIMANCE_REQUIRE_PEERS") == "1":
		t.Fatalf("EXPERIMANCE_REQUIRE_PEERS=1, but %v", err)
	default:
		t.Skip(err)
	}
	return path
}

// event is one line of testdata/peer.py, which describes them.
type event struct {
	Event    string
	Endpoint string
	Frames   []string
	Name     string
	Value    int
}

// frames are those of an event, no longer hexadecimal.
func (e event) frames(t *testing.T) (frames []string) {
	t.Helper()
	for _, text := range e.Frames {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, string(b))
	}
	return frames
}

// realPeer is a process with a socket of libzmq.
type realPeer struct {
	t      *testing.T
	stdin  io.WriteCloser
	events chan event
}

// options are those of a socket of pyzmq; fields those of testdata/peer.py.
type (
	options map[string]any
	fields  map[string]any
)

func startPeer(t *testing.T, spec fields) *realPeer {
	t.Helper()
	arg, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(needPython(t), "-B", filepath.Join("testdata", "peer.py"), string(arg))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	p := &realPeer{t: t, events: make(chan event, 1000)}
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.events)
		for lines := json.NewDecoder(stdout); ; {
			var e event
			if lines.Decode(&e) != nil {
				return
			}
			p.events <- e
		}
	}()
	t.Cleanup(func() {
		_ = p.stdin.Close() // ends it, where it has not ended already
		for range p.events {
			continue // until its output ends
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, &stderr)
		}
	})
	return p
}

// expect waits for the next event of this kind whose name begins with this.
func (p *realPeer) expect(kind, name string) event {
	p.t.Helper()
	late := time.After(patience)
	var seen []event
	for {
		select {
		case e, ok := <-p.events:
			if !ok {
				p.t.Fatalf("peer ended before %s %s, after %+v", kind, name, seen)
			}
			if e.Event == kind && strings.HasPrefix(e.Name, name) {
				return e
			}
			seen = append(seen, e)
		case <-late:
			p.t.Fatalf("no %s %s from the peer, but %+v", kind, name, seen)
		}
	}
}

func (p *realPeer) send(frames ...string) {
	p.t.Helper()
	texts := make([]string, len(frames))
	for i, frame := range frames {
		texts[i] = hex.EncodeToString([]byte(frame))
	}
	if err := json.NewEncoder(p.stdin).Encode(map[string]any{"send": texts}); err != nil {
		p.t.Fatal(err)
	}
}

// meet starts a peer, binding or connecting, and does the handshake with it.
func meet(t *testing.T, peerBinds bool, spec fields, cfg zmtp.Config, s mechanism.Security) (*realPeer, *secured, error) {
	t.Helper()
	cfg.Timeout = patience
	if s != nil {
		cfg.NewMechanism = factory(t, s)
	}
	var conn net.Conn
	var p *realPeer
	if peerBinds {
		spec["bind"] = "tcp://127.0.0.1:*"
		p = startPeer(t, spec)
		var err error
		endpoint := strings.TrimPrefix(p.expect("ready", "").Endpoint, "tcp://")
		if conn, err = net.Dial("tcp", endpoint); err != nil {
			t.Fatal(err)
		}
	} else {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		if err := l.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		spec["connect"] = "tcp://" + l.Addr().String()
		p = startPeer(t, spec)
		if conn, err = l.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { conn.Close() })
	peer, err := zmtp.Handshake(t.Context(), conn, !peerBinds, cfg)
	if err != nil {
		conn.Close()
		return p, nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return p, &secured{t, conn, bufio.NewReader(io.MultiReader(bytes.NewReader(peer.Buffered), conn)), peer}, nil
}

// secured is a connection after its handshake.
type secured struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	peer *zmtp.Peer
}

func (c *secured) send(flags byte, body string) {
	c.t.Helper()
	frame := append(wire.AppendHeader(nil, flags, len(body)), body...)
	if c.peer.Sealer != nil {
		var err error
		if frame, err = c.peer.Sealer.Seal(nil, flags, []byte(body)); err != nil {
			c.t.Fatal(err)
		}
	}
	if _, err := c.conn.Write(frame); err != nil {
		c.t.Fatal(err)
	}
}

// receive reads the next frame.
func (c *secured) receive() (flags byte, body string, err error) {
	var header []byte
	for {
		b, err := c.in.ReadByte()
		if err != nil {
			return 0, "", err
		}
		header = append(header, b)
		flags, size, n, err := wire.ParseHeader(header)
		if err != nil {
			return 0, "", err
		}
		if n == 0 {
			continue
		}
		data := make([]byte, size)
		if _, err := io.ReadFull(c.in, data); err != nil {
			return 0, "", err
		}
		if c.peer.Sealer == nil {
			return flags &^ wire.FlagLong, string(data), nil
		}
		if flags&^wire.FlagLong != 0 {
			return 0, "", fmt.Errorf("sealed frame has the flags %d", flags)
		}
		flags, plain, err := opened(c.t, c.peer.Sealer, flags, data)
		return flags, string(plain), err
	}
}

// mustReceive reads a frame that must be this one.
func (c *secured) mustReceive(flags byte, body string) {
	c.t.Helper()
	gotFlags, got, err := c.receive()
	if err != nil || gotFlags != flags || got != body {
		c.t.Fatalf("received %d, %.30q of %d bytes, %v; want %d, %.30q of %d", gotFlags, got, len(got), err, flags, body, len(body))
	}
}

// wantKind finds out that a handshake failed for a reason of this kind, or, for kind
// "", in the greeting: there both ends hang up, and either may be the first.
func wantKind(t *testing.T, err error, kind zmtp.Kind) {
	t.Helper()
	var failed *zmtp.HandshakeError
	if !errors.As(err, &failed) || failed.Kind != kind && kind != "" || kind == "" && failed.Stage != zmtp.StageGreeting {
		t.Fatalf("%v; want an error of kind %q", err, kind)
	}
}
