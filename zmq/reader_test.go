package zmq

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/internal/zmtp"
)

// script is a connection that delivers a stream in pieces, and then ends.
type script struct {
	net.Conn
	stream []byte
	piece  func() int // returns the size of the next piece
}

func (c *script) Read(p []byte) (int, error) {
	if len(c.stream) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.stream[:min(c.piece(), len(c.stream))])
	c.stream = c.stream[n:]
	return n, nil
}

func (c *script) Write(p []byte) (int, error)     { return len(p), nil }
func (c *script) Close() error                    { return nil }
func (c *script) SetDeadline(time.Time) error     { return nil }
func (c *script) SetReadDeadline(time.Time) error { return nil }
func (c *script) RemoteAddr() net.Addr            { return &net.TCPAddr{} }

// play has a PULL read a stream that comes in pieces. It returns the messages that were received,
// of which it releases each one that release says, and why the connection ended.
func play(t testing.TB, cfg Config, stream []byte, sealed bool, piece func() int, release func() bool) (received [][]byte, end error) {
	t.Helper()
	pull, err := NewPull(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pull.Close()
	p := newPipe(pull.socket, "script")
	peer := &zmtp.Peer{Minor: 1, SocketType: "PUSH"}
	if sealed {
		peer.Sealer = plainSealer{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := newConn(p, &script{stream: stream, piece: piece}, peer)
	if err := c.join(); err != nil {
		t.Fatal(err)
	}
	go func() {
		end = c.run(context.Background())
		cancel()
	}()
	var kept []Message
	var copies [][]byte
	for {
		m, err := pull.Recv(ctx)
		if err != nil {
			if m, _, _ = pull.in.tryRecv(); m.slab == nil {
				break
			}
		}
		received = append(received, bytes.Clone(m.wire))
		if release() {
			m.Release()
		} else {
			kept, copies = append(kept, m), append(copies, received[len(received)-1])
		}
	}
	if ctx.Err() == context.DeadlineExceeded {
		t.Fatal("the connection did not end")
	}
	for i, m := range kept {
		if !bytes.Equal(m.wire, copies[i]) {
			t.Fatalf("a message of %d bytes was changed after it was received", len(copies[i]))
		}
	}
	return received, end
}

// cutUp is what a reader makes of a stream, in the plainest way.
func cutUp(stream []byte, limit int) (messages [][]byte, end error) {
	var message []byte
	within, cuts := false, 0
	for len(stream) > 0 {
		flags, size, head, err := wire.ParseHeader(stream)
		command := flags&wire.FlagCommand != 0
		switch {
		case err != nil:
			return messages, err
		case head == 0:
			return messages, io.ErrUnexpectedEOF
		case command && within && cuts == maxCuts:
			return messages, errManyCommands
		case command && within && size > maxCut:
			return messages, errLongCommand
		case !command && size > int64(limit-len(message)-head), command && !within && size > int64(max(limit, maxCut)-head):
			return messages, ErrMessageTooLarge
		case size > int64(len(stream)-head):
			return messages, io.ErrUnexpectedEOF
		}
		frame := stream[:head+int(size)]
		stream = stream[len(frame):]
		if command {
			if within {
				cuts++
			}
			if err := commandError(flags, frame[head:]); err != nil {
				return messages, err
			}
			continue
		}
		message = append(message, frame...)
		if within = flags&wire.FlagMore != 0; !within {
			messages, message, cuts = append(messages, message), nil, 0
		}
	}
	if within {
		return messages, io.ErrUnexpectedEOF
	}
	return messages, io.EOF
}

// commandError returns why a PULL ends the connection because of a command, or nil.
func commandError(flags byte, body []byte) error {
	if _, _, ok := wire.ParseSubscription(flags, body); ok {
		return nil
	}
	name, data, err := wire.ParseCommand(body)
	switch string(name) {
	case wire.CommandPing:
		_, _, err = wire.ParsePing(data)
	case wire.CommandError:
		err = refusal(data)
	}
	return err
}

// sealAll seals each whole frame of a stream, as far as such frames can be sealed. It returns also
// what they become when they are opened.
func sealAll(stream []byte) (sealed, plain []byte) {
	for len(stream) > 0 {
		flags, size, head, err := wire.ParseHeader(stream)
		if err != nil || head == 0 || size > int64(len(stream)-head) || flags&wire.FlagCommand != 0 && size == 0 {
			break
		}
		end := head + int(size)
		flags &^= wire.FlagLong
		sealed = plainSealer{}.seal(sealed, flags, stream[head:end])
		plain = append(wire.AppendHeader(plain, flags, int(size)), stream[head:end]...)
		stream = stream[end:]
	}
	return sealed, plain
}

// bodySizes are sizes of bodies at which something changes in the way that memory grows.
var bodySizes = func() (sizes []int) {
	for _, at := range []int{
		0, 255, firstRead, leastChunk, largeRead, readMost, headStart, ownRaw, 1 << 20, mostChunk,
	} {
		for near := -wire.MaxHeader - 1; near <= wire.MaxHeader+slabSlack; near += 1 + (near+20)/9 {
			sizes = append(sizes, max(at+near, 0))
		}
	}
	return sizes
}()

// drawStream makes a stream of messages and commands.
func drawStream(t *rapid.T, most int) []byte {
	var b []byte
	noise := make([]byte, 64<<10)
	for i := range noise {
		noise[i] = byte(i * 7 / 3)
	}
	body := func(size int) []byte {
		return slices.Repeat(noise, size/len(noise)+1)[:size]
	}
	size := rapid.OneOf(rapid.SampledFrom(bodySizes), rapid.IntRange(0, 300), rapid.IntRange(0, 100_000))
	short := rapid.IntRange(0, 3000)
	kinds := rapid.SampledFrom([]string{"one", "one", "small", "small", "frames", "many frames", "commands", "PING", "long command"})
	for len(b) < most && rapid.IntRange(0, 30).Draw(t, "end") > 0 {
		switch kinds.Draw(t, "kind") {
		case "one":
			b = appendFrames(b, [][]byte{body(size.Draw(t, "size"))})
		case "small":
			for range rapid.IntRange(1, 600).Draw(t, "messages") {
				b = appendFrames(b, [][]byte{body(len(b) % 40)})
			}
		case "frames":
			for range rapid.IntRange(1, 6).Draw(t, "frames") {
				f := body(size.Draw(t, "size"))
				b = append(wire.AppendHeader(b, wire.FlagMore, len(f)), f...)
			}
			b = appendFrames(b, [][]byte{body(size.Draw(t, "last size"))})
		case "many frames":
			f := body(short.Draw(t, "size"))
			for range rapid.IntRange(1, 1500).Draw(t, "frames") {
				b = append(wire.AppendHeader(b, wire.FlagMore, len(f)), f...)
			}
			b = appendFrames(b, [][]byte{body(short.Draw(t, "last size"))})
		case "commands": // within a message
			n := rapid.SampledFrom([]int{1, 1, 2, 3, 10, maxCuts, maxCuts + 1}).Draw(t, "commands")
			long := rapid.SampledFrom([]int{0, 0, 0, 5, 300, maxCut - 2, maxCut - 1}).Draw(t, "size of the last")
			between := rapid.SampledFrom([]int{0, 1, 100, 5000}).Draw(t, "size of frames")
			for i := range n {
				if between > 0 || i == 0 {
					f := body(between)
					b = append(wire.AppendHeader(b, wire.FlagMore, len(f)), f...)
				}
				if i == n-1 && long > 0 {
					b = wire.AppendCommand(b, "X", body(long))
				} else {
					b = wire.AppendPing(b, 0, []byte("context"))
				}
			}
			b = appendFrames(b, [][]byte{body(short.Draw(t, "last size"))})
		case "PING":
			b = wire.AppendPing(b, 0, []byte("context"))
		case "long command":
			b = wire.AppendCommand(b, "UNKNOWN", body(size.Draw(t, "size")))
		}
	}
	return b
}

// However a stream is cut into pieces, and wherever it ends, a reader delivers the messages that
// are in it.
func TestReaderAndReference(t *testing.T) {
	t.Parallel()
	for name, sealed := range map[string]bool{"plain": false, "sealed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				stream := drawStream(rt, 6<<20)
				if rapid.Bool().Draw(rt, "cut off") {
					stream = stream[:rapid.IntRange(0, len(stream)).Draw(rt, "length")]
				}
				limit := rapid.SampledFrom([]int{256 << 20, 1 << 20, 300_000, 5000, 100}).Draw(rt, "limit")
				seed := rapid.Uint64().Draw(rt, "seed")
				most := rapid.SampledFrom([]int{10, 1000, 5000, 100_000, 1 << 30}).Draw(rt, "largest piece")
				releases := rapid.IntRange(0, 2).Draw(rt, "release none, some, all")
				piece, release := chances(seed, max(most, len(stream)/20_000), releases)
				compare(t, rt, Config{MaxMessageSize: int64(limit)}, stream, sealed, piece, release)
			})
		})
	}
}

// chances returns functions for play: one that makes pieces of up to most bytes, and one that
// releases none (0), half (1) or all (2) of the messages. Two goroutines may use them.
func chances(seed uint64, most, releases int) (piece func() int, release func() bool) {
	pieces, releasing := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, 1))
	return func() int { return 1 + pieces.IntN(most) }, func() bool { return releasing.IntN(2) < releases }
}

// compare checks that a reader makes of a stream what cutUp does.
func compare(t testing.TB, rt rapid.TB, cfg Config, stream []byte, sealed bool, piece func() int, release func() bool) {
	b := stream
	if sealed {
		b, stream = sealAll(stream)
	}
	want, wantEnd := cutUp(stream, int(cfg.MaxMessageSize))
	got, end := play(t, cfg, b, sealed, piece, release)
	for i := range min(len(got), len(want)) {
		if !bytes.Equal(got[i], want[i]) {
			rt.Fatalf("message %d has %d bytes, other ones than its %d", i, len(got[i]), len(want[i]))
		}
	}
	if len(got) != len(want) {
		rt.Fatalf("received %d messages, want %d; the connection ended with %v, want %v", len(got), len(want), end, wantEnd)
	}
	if sealed && (errors.Is(wantEnd, errLongCommand) || errors.Is(wantEnd, errManyCommands)) && errors.Is(end, ErrMessageTooLarge) {
		return // the command was not even opened
	}
	if end.Error() != wantEnd.Error() {
		rt.Fatalf("the connection ended with %v, want %v", end, wantEnd)
	}
}

// FuzzReader is TestReaderAndReference for any bytes, in pieces of up to so many bytes.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\x00\x01x\x01\x01y\x04\x07\x04PING\x00\x00\x00\x00"), uint16(3), uint64(1), false)
	f.Add(bytes.Join([][]byte{{1, 0}, wire.AppendPing(nil, 0, nil), wire.AppendCommand(nil, "X", make([]byte, 300)), {0, 0, 4, 0, 1}}, nil), uint16(1), uint64(1), true)
	f.Add(append(wire.AppendHeader(nil, wire.FlagMore, 5000), make([]byte, 6000)...), uint16(700), uint64(1), false)
	f.Fuzz(func(t *testing.T, stream []byte, most uint16, seed uint64, sealed bool) {
		piece, release := chances(seed, int(most)+1, 1)
		compare(t, t, Config{MaxMessageSize: 100_000}, stream, sealed, piece, release)
	})
}

// Commands within a message are taken out of it wherever they are in the stream, and in a slab.
func TestCommandsWithinMessage(t *testing.T) {
	t.Parallel()
	ping := wire.AppendPing(nil, 0, []byte("sixteen bytes..."))
	frame := func(b []byte, size int) []byte {
		return append(wire.AppendHeader(b, wire.FlagMore, size), bytes.Repeat([]byte{'x'}, size)...)
	}
	keep := func() bool { return false }
	for before := range firstRead + slabSlack + 2*len(ping) {
		if before > 100 && before < firstRead-3*len(ping) {
			continue
		}
		stream := appendFrames(nil, [][]byte{make([]byte, before)}) // a message before it
		stream = append(frame(stream, 3), ping...)
		stream = append(append(frame(stream, 300), ping...), ping...)
		stream = appendFrames(stream, [][]byte{[]byte("end")})
		for _, most := range []int{1, 1000, 1 << 20} {
			compare(t, t, Config{MaxMessageSize: 1 << 20}, stream, most == 1000, func() int { return most }, keep)
		}
		for cut := max(before-10, 1); before < 100 && cut < len(stream); cut++ {
			pieces := []int{cut, len(stream)}
			piece := func() (n int) {
				n, pieces = pieces[0], pieces[1:]
				return n
			}
			compare(t, t, Config{MaxMessageSize: 1 << 20}, stream, false, piece, keep)
		}
	}
}
