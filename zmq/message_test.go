package zmq_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

func TestMessage(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{})
		pair(t, pull, push, endpoint)
		long := string(bytes.Repeat([]byte("l"), 300))
		send(t, push, "one")
		send(t, push, long, "", "three")

		m, err := pull.Recv(within(t))
		check(t, err)
		if m.Len() != 1 || string(m.Bytes()) != "one" || string(m.Frame(0)) != "one" || m.Frame(1) != nil || m.Frame(-1) != nil {
			t.Errorf("a message of one frame: %d frames, %q", m.Len(), m.Frames())
		}
		kept := m.Clone()
		m.Release()
		if m.Len() != 0 || m.Bytes() != nil || m.Frames() == nil || len(m.Frames()) != 0 {
			t.Errorf("a released message has %d frames, %q", m.Len(), m.Bytes())
		}
		m.Release() // the zero Message has nothing to release

		m, err = pull.Recv(within(t))
		check(t, err)
		if fmt.Sprintf("%s", m.Frames()) != fmt.Sprint([]string{long, "", "three"}) || string(m.Bytes()) != long {
			t.Errorf("a message of three frames: %q", m.Frames())
		}
		for _, f := range m.Frames() {
			if cap(f) != len(f) {
				t.Error("appending to a frame would change the next")
			}
		}
		// A received message can be sent on as it is.
		check(t, push.Send(within(t), m.Frames()...))
		m.Release()
		if got := recv(t, pull); got != long+"||three" {
			t.Errorf("sent on, it became %q", got)
		}
		if string(kept.Bytes()) != "one" || kept.Len() != 1 {
			t.Errorf("the clone became %q", kept.Frames())
		}
		kept.Release()
	})
}

// All, Frames and Frame give the same frames, with a ROUTER's routing id too, and All goes on no
// longer than it is asked to.
func TestAllFrames(t *testing.T) {
	t.Parallel()
	router, dealer := must(zmq.NewRouter(zmq.Config{}))(t), must(zmq.NewDealer(zmq.Config{Identity: []byte("dealer")}))(t)
	closing(t, router)
	closing(t, dealer)
	pair(t, router, dealer, wildcard)
	for _, n := range []int{1, 2, 5, 1000} {
		check(t, dealer.Send(within(t), slices.Repeat([][]byte{nil, []byte("x"), bytes.Repeat([]byte("l"), 300)}, n)...))
		m := must(router.Recv(within(t)))(t)
		var all [][]byte
		for i, f := range m.All() {
			if i != len(all) || !bytes.Equal(f, m.Frame(i)) || cap(f) != len(f) {
				t.Fatalf("frame %d of %d is %q, want %q", i, m.Len(), f, m.Frame(len(all)))
			}
			all = append(all, f)
		}
		if frames := m.Frames(); len(all) != 1+3*n || !slices.EqualFunc(all, frames, bytes.Equal) || string(all[0]) != "dealer" {
			t.Errorf("All gives %d frames, Frames %d", len(all), len(frames))
		}
		for most := range min(len(all), 5) {
			seen := 0
			for range m.All() {
				if seen++; seen > most {
					break
				}
			}
			if seen != most+1 {
				t.Errorf("a loop that ends after %d frames has seen %d", most+1, seen)
			}
		}
		m.Release()
	}
	for range (zmq.Message{}).All() {
		t.Error("the zero Message has a frame")
	}
}

func TestAllAllocatesNothing(t *testing.T) {
	push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{})
	pair(t, pull, push, wildcard)
	check(t, push.Send(within(t), make([][]byte, 1000)...))
	m := must(pull.Recv(within(t)))(t)
	defer m.Release()
	if n := testing.AllocsPerRun(10, func() {
		for i, f := range m.All() {
			if len(f) > 0 {
				t.Error("frame", i, "is not empty")
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Memory is used again only when nobody holds it: messages of all sizes are kept, released late, or never, in any order,
// and hold what they held when they came.
func TestMemoryReuse(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, endpoint string) {
				reuseMemory(t, endpoint, rand.New(rand.NewPCG(seed, 1)))
			})
		})
	}
}

func reuseMemory(t *testing.T, endpoint string, random *rand.Rand) {
	ctx := within(t)
	hwm := func() int { return 1 + random.IntN(50) }
	push := newPush(t, zmq.Config{SendHWM: hwm(), SendHWMBytes: 1 << (10 + random.IntN(14))})
	pull := newPull(t, zmq.Config{RecvHWM: hwm(), RecvHWMBytes: 1 << (10 + random.IntN(14))})
	pair(t, pull, push, endpoint)
	const n = 300
	contents := rand.New(rand.NewPCG(random.Uint64(), 2))
	sent := inBackground(func() error {
		for range n {
			if err := push.Send(ctx, randomFrames(contents)...); err != nil {
				return err
			}
		}
		return nil
	})
	var held []zmq.Message
	for i := range n {
		m, err := pull.Recv(ctx)
		check(t, err)
		verify(t, m)
		switch random.IntN(4) {
		case 0:
			m.Release()
		default:
			held = append(held, m)
		}
		for len(held) > 0 && random.IntN(5) < 3 {
			j := random.IntN(len(held))
			verify(t, held[j])
			if random.IntN(20) > 0 { // some are never released
				held[j].Release()
			}
			held[j] = held[len(held)-1]
			held = held[:len(held)-1]
		}
		if t.Failed() {
			t.Fatalf("after %d messages", i+1)
		}
	}
	check(t, await(t, "the sender", sent))
	for _, m := range held {
		verify(t, m)
	}
}

// randomFrames makes a message whose first frame has the checksums of the others.
func randomFrames(random *rand.Rand) [][]byte {
	count := 1 + random.IntN(3)*random.IntN(3)
	sums := make([]byte, 4*count)
	frames := [][]byte{sums}
	for i := range count {
		size := random.IntN(1 << random.IntN(13))
		if random.IntN(40) == 0 {
			size = random.IntN(2 << 20)
		}
		frame := make([]byte, size)
		word := random.Uint64()
		for j := 0; j+8 <= size; j += 8 {
			binary.LittleEndian.PutUint64(frame[j:], word+uint64(j))
		}
		binary.LittleEndian.PutUint32(sums[4*i:], crc32.ChecksumIEEE(frame))
		frames = append(frames, frame)
	}
	return frames
}

// verify checks a message of randomFrames.
func verify(t *testing.T, m zmq.Message) {
	t.Helper()
	sums := m.Bytes()
	if len(sums) != 4*(m.Len()-1) {
		t.Errorf("%d checksums for %d frames", len(sums)/4, m.Len()-1)
		return
	}
	for i, frame := range m.Frames()[1:] {
		if crc32.ChecksumIEEE(frame) != binary.LittleEndian.Uint32(sums[4*i:]) {
			t.Errorf("frame %d of %d, of %d bytes, has changed", i+1, m.Len(), len(frame))
		}
	}
}

// Sending and receiving costs no allocation for each message, once the engine is warm.
func TestNoAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes pools forget on purpose")
	}
	for carrier, endpoint := range endpoints(t) {
		for _, size := range []int{16, 64, 1 << 10} {
			t.Run(fmt.Sprintf("%s/%dB", carrier, size), func(t *testing.T) {
				push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{})
				pair(t, pull, push, numbered(endpoint, size))
				ctx, body := within(t), make([]byte, size)
				const burst = 500
				allocs := testing.AllocsPerRun(50, func() {
					for range burst {
						if err := push.Send(ctx, body); err != nil {
							t.Error(err)
						}
					}
					for range burst {
						m, err := pull.Recv(ctx)
						if err != nil {
							t.Error(err)
						}
						m.Release()
					}
				})
				if perMessage := allocs / burst; perMessage > 0.1 {
					t.Errorf("%.2f allocations for each message", perMessage)
				}
			})
		}
	}
}

// Waiting costs no allocation either: here each Recv and each Send of one side waits for the other.
func TestWaitingDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes pools forget on purpose")
	}
	for carrier, endpoint := range endpoints(t) {
		t.Run(carrier, func(t *testing.T) {
			a, b := must(zmq.NewPair(zmq.Config{}))(t), must(zmq.NewPair(zmq.Config{}))(t)
			closing(t, a)
			closing(t, b)
			pair(t, a, b, endpoint)
			ctx, body := within(t), make([]byte, 16)
			const rounds = 500
			turn := func(s *zmq.Pair) {
				m, err := s.Recv(ctx)
				if err != nil {
					t.Error(err)
				}
				m.Release()
				if err := s.Send(ctx, body); err != nil {
					t.Error(err)
				}
			}
			go func() {
				for range rounds * 21 { // AllocsPerRun warms up once
					turn(b)
				}
			}()
			check(t, a.Send(ctx, body))
			allocs := testing.AllocsPerRun(20, func() {
				for range rounds {
					turn(a)
				}
			})
			if perRound := allocs / rounds; perRound > 0.1 {
				t.Errorf("%.2f allocations for each round trip", perRound)
			}
		})
	}
}
