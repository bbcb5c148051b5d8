package interop_test

import (
	"strings"
	"testing"

	"github.com/experimance/experimance-go/internal/relay"
	"github.com/experimance/experimance-go/internal/wire"
)

// startRelay relays connections to an endpoint, until the end of the test. alter may change what passes, given its
// position in the stream; watch sees the frames that the endpoint's owner sends, and may be nil.
func startRelay(t *testing.T, endpoint string, alter func(position uint64, b []byte), watch func(flags byte)) *relay.Relay {
	t.Helper()
	r, err := relay.New(relay.Config{
		Target: endpoint,
		Listen: strings.TrimSuffix(wildcard(), "*") + "0",
		Inspect: func(d relay.Direction) func(uint64, []byte) {
			if d == relay.ToTarget || watch == nil {
				return alter
			}
			frames := watchFrames(watch)
			return func(position uint64, b []byte) {
				alter(position, b)
				frames.follow(t, b)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() }) // always nil
	return r
}

// faithful alters nothing.
func faithful(uint64, []byte) {}

// minorPosition is where in the greeting the minor version stands (RFC 23).
const minorPosition = 11

// downgrade makes both ends take each other for one that speaks ZMTP 3.0, as libzmq before 4.3.3 does: libzmq 4.3.4 then
// sends subscriptions as messages.
func downgrade(position uint64, b []byte) {
	if i := minorPosition - int64(position); i >= 0 && i < int64(len(b)) {
		b[i] = 0
	}
}

// frameWatch follows what a peer sends, and calls seen with the flags of each frame as its header passes.
type frameWatch struct {
	seen   func(flags byte)
	skip   int // bytes that are of no interest
	header []byte
}

func watchFrames(seen func(flags byte)) *frameWatch {
	return &frameWatch{seen: seen, skip: wire.GreetingSize}
}

// follow sees what passes. A new connection needs a new frameWatch.
func (w *frameWatch) follow(t *testing.T, b []byte) {
	for len(b) > 0 {
		if skip := min(w.skip, len(b)); skip > 0 {
			b, w.skip = b[skip:], w.skip-skip
			continue
		}
		w.header, b = append(w.header, b[0]), b[1:]
		flags, size, header, err := wire.ParseHeader(w.header)
		if err != nil {
			t.Errorf("the peer has sent a frame that cannot be: %v", err)
			return
		}
		if header > 0 {
			w.seen(flags)
			w.header, w.skip = w.header[:0], int(size)
		}
	}
}
