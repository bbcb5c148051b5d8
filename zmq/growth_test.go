package zmq_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// streams are the transports that have a wire, and mechanisms are the ways in which frames travel
// there.
var (
	streams    = map[string]string{"tcp": wildcard, "ipc": "ipc://*"}
	mechanisms = []string{"NULL", "CURVE"}
)

// overWires runs a test over each stream with each of the mechanisms, one after the other.
func overWires(t *testing.T, test func(t *testing.T, endpoint string, s secured)) {
	t.Helper()
	for stream, endpoint := range streams {
		for _, name := range mechanisms {
			t.Run(stream+"/"+name, func(t *testing.T) { test(t, endpoint, securities(t)[name]) })
		}
	}
}

// speakTo connects a raw peer to a bound socket, and does the handshake.
func speakTo(t testing.TB, endpoint, kind string, s secured) *speaker {
	t.Helper()
	raw := func() *rawPeer {
		if path, ok := strings.CutPrefix(endpoint, "ipc://"); ok {
			return newRaw(t, must(net.Dial("unix", path))(t))
		}
		return dialRaw(t, endpoint)
	}()
	return newSpeaker(raw, kind, s.client, false).finish()
}

// encodeFrame appends a frame to dst as the peer sends it.
func (s *speaker) encodeFrame(dst []byte, flags byte, body []byte) []byte {
	if s.m.Sealer() != nil {
		return s.seal(dst, flags, body)
	}
	return append(wire.AppendHeader(dst, flags, len(body)), body...)
}

// encodeMessage appends a message to dst as the peer sends it.
func (s *speaker) encodeMessage(dst []byte, frames ...[]byte) []byte {
	for i, f := range frames {
		var flags byte
		if i < len(frames)-1 {
			flags = wire.FlagMore
		}
		dst = s.encodeFrame(dst, flags, f)
	}
	return dst
}

// beginFrame returns the first n bytes of a frame of this size as the peer sends it.
func (s *speaker) beginFrame(size, n int) []byte {
	small := s.encodeFrame(nil, 0, make([]byte, 64))
	_, _, head, _ := wire.ParseHeader(small) // it is right
	b := append(wire.AppendHeader(nil, 0, size), small[head:head+32]...)
	return append(b, make([]byte, n-len(b))...)
}

// writeAside writes b while the test goes on.
func (p *rawPeer) writeAside(b []byte) <-chan error {
	return inBackground(func() error {
		_, err := p.Write(b)
		return err
	})
}

// of returns n frames of this size.
func of(n, size int) [][]byte { return slices.Repeat([][]byte{make([]byte, size)}, n) }

// plainSize is how many bytes a message takes that is not sealed.
func plainSize(frames [][]byte) (size int) {
	for _, f := range frames {
		size += wire.HeaderSize(len(f)) + len(f)
	}
	return size
}

// allocated returns how many bytes f allocates, with all that goes on meanwhile.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// At most three bytes are allocated for one that arrives, whatever the shape of the first messages
// of a connection, also if they are kept, and beside a constant for each connection.
func TestGrowthCost(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates, too")
	}
	shapes := map[string][][][]byte{ // the messages of each
		"one frame of 64 MB":      {of(1, 64_000_000)},
		"8000 frames of 1 KiB":    {of(8000, 1<<10)},
		"a million frames of 1 B": {of(1_000_000, 1)},
		"40 frames of 1 MiB":      {of(40, 1<<20)},
		"frames of 300 KiB":       {of(20, 300<<10)},
		"a large frame last":      {append(of(3000, 1<<10), make([]byte, 9<<20))},
		"a large frame first":     {append(of(1, 9<<20), of(3000, 1<<10)...)},
	}
	near := map[string][][][]byte{}
	for name, size := range map[string]int{
		"a slab of a busy connection": zmq.LargeRead, "the head start": zmq.HeadStart, "1 MiB": 1 << 20, "1.5 MiB": 3 << 19,
		"2 MiB": 2 << 20, "the largest chunk": zmq.MostChunk, "the largest slab": zmq.MaxSlab, "two chunks": 2 * zmq.MostChunk,
		"a sealed frame with its own slab": zmq.OwnRaw,
	} {
		one, many, small := of(1, size+1), of(size/1000+1, 998), of(1, 10)
		near["a frame above "+name] = [][][]byte{one}
		near["frames above "+name] = [][][]byte{one, one, one, one}
		near["many frames, together above "+name] = [][][]byte{many}
		near["small messages and large ones above "+name] = slices.Repeat([][][]byte{small, many, small, one}, 4)
	}
	const constant = zmq.HeadStart + zmq.LargeRead
	overWires(t, func(t *testing.T, endpoint string, s secured) {
		shapes := maps.Clone(shapes)
		if endpoint == wildcard {
			maps.Copy(shapes, near)
		}
		for name, shape := range shapes {
			pull := newPull(t, zmq.Config{MaxMessageSize: -1, Security: s.server})
			peer := speakTo(t, bind(t, pull, endpoint), "PUSH", s)
			check(t, pull.WaitPeers(within(t), 1))
			var stream []byte
			size := 0
			for _, frames := range shape {
				stream = peer.encodeMessage(stream, frames...)
				size += plainSize(frames)
			}
			kept := make([]zmq.Message, 0, len(shape))
			zmq.DropFreeSlabs()
			taken := allocated(func() {
				written := peer.writeAside(stream)
				for _, frames := range shape {
					m := must(pull.Recv(within(t)))(t)
					if m.Len() != len(frames) {
						t.Fatalf("%s: received %d frames, want %d", name, m.Len(), len(frames))
					}
					kept = append(kept, m)
				}
				check(t, await(t, "the end of the stream", written))
			})
			if taken > 3*size+constant {
				t.Errorf("%s: %d bytes were allocated for %d, %.2f for each", name, taken, size, float64(taken)/float64(size))
			}
			check(t, pull.Close())
		}
	})
}

// What is kept for a message that is not whole is at most about twice what has arrived of it.
func TestGrowthHeld(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes a multiple of the memory that is measured")
	}
	const arrived = 40 << 20
	shapes := map[string]func(*speaker) []byte{ // the beginning of a message
		"one frame":    func(s *speaker) []byte { return s.encodeMessage(nil, of(1, 64<<20)...)[:arrived] },
		"just begun":   func(s *speaker) []byte { return s.beginFrame(1<<30, arrived) },
		"many frames":  func(s *speaker) []byte { return s.encodeMessage(nil, of(64<<10, 1<<10)...)[:arrived] },
		"large frames": func(s *speaker) []byte { return s.encodeMessage(nil, of(64, 1<<20)...)[:arrived] },
	}
	overWires(t, func(t *testing.T, endpoint string, s secured) {
		if endpoint != wildcard {
			return // what is kept does not depend on the transport
		}
		for name, begin := range shapes {
			pull := newPull(t, zmq.Config{MaxMessageSize: -1, Security: s.server})
			peer := speakTo(t, bind(t, pull, endpoint), "PUSH", s)
			stream := begin(peer)
			zmq.DropFreeSlabs()
			before := heap()
			peer.write(stream)
			eventually(t, name+": what was sent is read, and takes little memory", func() bool {
				zmq.DropFreeSlabs()
				grown := heap() - before
				return grown > arrived*3/4 && // the rest is with the system
					grown < arrived*9/4+1<<20
			})
			runtime.KeepAlive(stream)
			peer.Close()
			check(t, pull.Close())
			eventually(t, name+": the memory is free again", func() bool {
				zmq.DropFreeSlabs()
				return heap()-before < 1<<20
			})
		}
	})
}

// A connection that has carried a large message and is idle keeps no memory of that size, at either
// end.
func TestGrowthIdle(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes a multiple of the memory that is measured")
	}
	overWires(t, func(t *testing.T, endpoint string, s secured) {
		const size = 64 << 20
		zmq.DropFreeSlabs()
		before := heap()
		push, pull := newPush(t, zmq.Config{Security: s.client}), newPull(t, zmq.Config{Security: s.server})
		pair(t, pull, push, endpoint)
		for _, frames := range [][][]byte{of(1, size), of(64<<10, 1<<10), of(64, 1<<20)} {
			sent := inBackground(func() error { return push.Send(within(t), frames...) })
			m := must(pull.Recv(within(t)))(t)
			check(t, await(t, "the end of Send", sent))
			m.Release()
		}
		eventually(t, "the memory is free again", func() bool {
			zmq.DropFreeSlabs()
			return heap()-before < size/4
		})
	})
}

// The limit of sizes is that of messages: what is sent between their frames does not count.
func TestLimitWithCommandsWithin(t *testing.T) {
	t.Parallel()
	overWires(t, func(t *testing.T, endpoint string, s secured) {
		t.Parallel()
		for _, size := range []int{1000, 300_000, 10_000_000} {
			events := make(chan zmq.Event, 100)
			frames := append(of(10, size/10), []byte("end"))
			pull := newPull(t, zmq.Config{MaxMessageSize: int64(plainSize(frames)), Security: s.server, Events: events})
			peer := speakTo(t, bind(t, pull, endpoint), "PUSH", s)
			ping := wire.AppendPing(nil, 0, []byte("sixteen bytes..."))[2:]
			for more := range 2 {
				var stream []byte
				for _, f := range frames[:10] {
					stream = peer.encodeFrame(stream, wire.FlagMore, f)
					stream = peer.encodeFrame(stream, wire.FlagCommand, ping)
				}
				stream = peer.encodeFrame(stream, 0, append(frames[10], make([]byte, more)...))
				written := peer.writeAside(stream)
				if more == 0 {
					m := must(pull.Recv(within(t)))(t)
					if m.Len() != len(frames) || len(m.Frame(10)) != len(frames[10]) {
						t.Errorf("a message of %d bytes became one of %d frames", size, m.Len())
					}
					check(t, await(t, "the end of the stream", written))
				}
			}
			if e := untilEvent(t, events, zmq.EventDisconnected); !errors.Is(e.Err, zmq.ErrMessageTooLarge) {
				t.Errorf("%d bytes and one: disconnected because of %v", size, e.Err)
			}
		}
	})
}

// Commands within a message are bounded in number and size.
func TestBoundsOfCommandsWithin(t *testing.T) {
	t.Parallel()
	command := func(size int) []byte { return append([]byte("\x01X"), make([]byte, size-2)...) }
	overWires(t, func(t *testing.T, endpoint string, s secured) {
		t.Parallel()
		for name, c := range map[string]struct {
			n, size int
			ok      bool
		}{
			"as many as may be":  {zmq.MaxCuts, 7, true},
			"one more":           {zmq.MaxCuts + 1, 7, false},
			"as large as may be": {20, zmq.MaxCut, true},
			"a byte more":        {1, zmq.MaxCut + 1, false},
		} {
			events := make(chan zmq.Event, 100)
			pull := newPull(t, zmq.Config{Security: s.server, Events: events})
			peer := speakTo(t, bind(t, pull, endpoint), "PUSH", s)
			stream := peer.encodeFrame(nil, wire.FlagMore, []byte("a"))
			for range c.n {
				stream = peer.encodeFrame(stream, wire.FlagCommand, command(c.size))
			}
			written := peer.writeAside(peer.encodeFrame(stream, 0, []byte("b")))
			if c.ok {
				expect(t, pull, "a|b")
				check(t, await(t, "the end of the stream", written))
			} else if e := untilEvent(t, events, zmq.EventDisconnected); !strings.Contains(e.Err.Error(), "within a message") {
				t.Errorf("%s: disconnected because of %v", name, e.Err)
			}
		}
	})
}

// A PING between the frames of a large message is answered before the message is whole.
func TestPingWithinLargeMessage(t *testing.T) {
	t.Parallel()
	overWires(t, func(t *testing.T, endpoint string, s secured) {
		t.Parallel()
		pull := newPull(t, zmq.Config{Security: s.server})
		peer := speakTo(t, bind(t, pull, endpoint), "PUSH", s)
		frame := make([]byte, 1<<20)
		const frames = 20
		for i := range frames {
			peer.write(peer.encodeFrame(nil, wire.FlagMore, frame))
			context := fmt.Sprint("ping ", i)
			peer.write(peer.encodeFrame(nil, wire.FlagCommand, wire.AppendPing(nil, 0, []byte(context))[2:]))
			if pong := peer.receiveMessage(); pong != "\x04PONG"+context {
				t.Fatalf("the PING was answered with %q", pong)
			}
		}
		peer.write(peer.encodeFrame(nil, 0, []byte("end")))
		m := must(pull.Recv(within(t)))(t)
		defer m.Release()
		if m.Len() != frames+1 || string(m.Frame(frames)) != "end" || len(m.Frame(frames-1)) != len(frame) {
			t.Errorf("received %d frames", m.Len())
		}
	})
}

// A peer that ends within a message is told apart from one that ends between two, wherever that is.
func TestEndWithinMessage(t *testing.T) {
	t.Parallel()
	overWires(t, func(t *testing.T, endpoint string, s secured) {
		t.Parallel()
		events := make(chan zmq.Event, 1000)
		pull := newPull(t, zmq.Config{Security: s.server, Events: events})
		at := bind(t, pull, endpoint)
		for _, frames := range [][][]byte{of(1, 1000), of(1, 700_000), of(1, 5<<20), of(5000, 1000), of(20, 300_000)} {
			peer := speakTo(t, at, "PUSH", s)
			first := peer.encodeMessage(nil, []byte("first"))
			whole := peer.encodeMessage(nil, frames...)
			for i, end := range []int{0, 1, len(whole) / 3, len(whole) / 2, len(whole) - 1, len(whole)} {
				if i > 0 {
					peer = speakTo(t, at, "PUSH", s)
					first, whole = peer.encodeMessage(nil, []byte("first")), peer.encodeMessage(nil, frames...)
				}
				written := peer.writeAside(append(first, whole[:end]...))
				expect(t, pull, "first")
				check(t, await(t, "the end of the stream", written))
				want := io.ErrUnexpectedEOF
				if end == len(whole) {
					m := must(pull.Recv(within(t)))(t)
					m.Release()
				}
				if end == 0 || end == len(whole) {
					want = io.EOF
				}
				check(t, peer.Conn.(interface{ CloseWrite() error }).CloseWrite())
				if e := untilEvent(t, events, zmq.EventDisconnected); !errors.Is(e.Err, want) {
					t.Errorf("after %d of %d bytes: disconnected because of %v, want %v", end, len(whole), e.Err, want)
				}
				peer.Close()
			}
		}
	})
}

// A large subscription costs as little as a large message.
func TestGrowthOfSubscription(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates, too")
	}
	overWires(t, func(t *testing.T, endpoint string, s secured) {
		const size = 20 << 20
		topic := bytes.Repeat([]byte("t"), size)
		for name, frame := range map[string]func(s *speaker) []byte{
			"command": func(s *speaker) []byte {
				return s.encodeFrame(nil, wire.FlagCommand, append([]byte("\x09SUBSCRIBE"), topic...))
			},
			"message": func(s *speaker) []byte { return s.encodeFrame(nil, 0, append([]byte{1}, topic...)) },
		} {
			pub := newPub(t, zmq.Config{Security: s.server})
			peer := speakTo(t, bind(t, pub, endpoint), "SUB", s)
			stream := frame(peer)
			zmq.DropFreeSlabs()
			taken := allocated(func() {
				must(peer.Write(stream))(t)
				check(t, pub.WaitSubscribers(within(t), string(topic), 1))
			})
			// Beside what the frame takes there is a copy each for the trie, for the list of the
			// peer's subscriptions and for WaitSubscribers.
			if taken > (3+3)*size {
				t.Errorf("a %s of %d bytes: %d bytes were allocated", name, size, taken)
			}
			check(t, pub.Close())
		}
	})
}

// What a socket does not receive takes no memory, however much it is.
func TestGrowthOfUnwanted(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates, too")
	}
	overWires(t, func(t *testing.T, endpoint string, s secured) {
		for _, frames := range [][][]byte{of(1, 40<<20), of(40, 1<<20), of(40<<10, 1<<10)} {
			push := newPush(t, zmq.Config{Security: s.server})
			peer := speakTo(t, bind(t, push, endpoint), "PULL", s)
			check(t, push.WaitPeers(within(t), 1))
			stream := peer.encodeMessage(nil, frames...)
			stream = peer.encodeFrame(stream, wire.FlagCommand, wire.AppendPing(nil, 0, nil)[2:])
			zmq.DropFreeSlabs()
			taken := allocated(func() {
				must(peer.Write(stream))(t)
				peer.receiveMessage() // the PONG
			})
			most := 1 << 20
			if s.server != nil { // a sealed frame is opened as a whole
				most += 3 * len(frames[0])
			}
			if taken > most {
				t.Errorf("%d frames of %d bytes took %d bytes", len(frames), len(frames[0]), taken)
			}
			peer.Close()
			check(t, push.Close())
		}
	})
}

// The envelope of a request, which a REP keeps for the reply, takes its size and no more, and not
// for longer than that.
func TestGrowthOfEnvelope(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates, too")
	}
	overWires(t, func(t *testing.T, endpoint string, s secured) {
		for _, hops := range []int{1, 100, 200_000} {
			rep := must(zmq.NewRep(zmq.Config{Security: s.server}))(t)
			closing(t, rep)
			peer := speakTo(t, bind(t, rep, endpoint), "DEALER", s)
			envelope := append(slices.Repeat([][]byte{[]byte("x")}, hops), nil)
			request := peer.encodeMessage(nil, append(slices.Clone(envelope), []byte("question"))...)
			size := plainSize(envelope)
			zmq.DropFreeSlabs()
			before := heap()
			taken := allocated(func() {
				written := peer.writeAside(request)
				expect(t, rep, "question")
				check(t, await(t, "the end of the request", written))
				send(t, rep, "answer")
			})
			// Beside what the request takes there is a copy for REP, one in the queue, and with
			// CURVE one that is sealed.
			sealed := 0
			if s.server != nil {
				sealed = len(request)
			}
			if taken > (3+2)*size+2*sealed+512<<10 {
				t.Errorf("an envelope of %d bytes took %d bytes", size, taken)
			}
			for i, f := range append(envelope, []byte("answer")) {
				if got := peer.receiveMessage(); got != string(f) {
					t.Fatalf("frame %d of the reply is %q, want %q", i, got, f)
				}
			}
			eventually(t, "the memory is free again", func() bool {
				zmq.DropFreeSlabs()
				return heap()-before < 256<<10
			})
		}
	})
}
