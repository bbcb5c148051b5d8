package mechanism_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
)

// sealers are those of the two ends of a connection.
func sealers(tb testing.TB) (client, server mechanism.Sealer) {
	tb.Helper()
	c, s := curveEnds(tb)
	agree(tb, c, s)
	return c.Sealer(), s.Sealer()
}

// sealed is the body of a sealed frame.
func sealed(tb testing.TB, s mechanism.Sealer, flags byte, plain []byte) []byte {
	tb.Helper()
	frame, err := s.Seal(nil, flags, plain)
	if err != nil {
		tb.Fatal(err)
	}
	outer, size, n, err := wire.ParseHeader(frame)
	if err != nil || outer&^wire.FlagLong != 0 || int(size) != len(frame)-n {
		tb.Fatalf("frame has flags %d and %d of %d bytes, %v", outer, size, len(frame)-n, err)
	}
	return frame[n:]
}

// opened is the frame within a sealed frame of these flags and body. What it is appended to stays.
func opened(tb testing.TB, s mechanism.Sealer, outer byte, body []byte) (flags byte, plain []byte, err error) {
	tb.Helper()
	frame, err := s.Open([]byte("before"), outer, body)
	if err != nil {
		if frame != nil {
			tb.Fatalf("opened %q beside %v", frame, err)
		}
		return 0, nil, err
	}
	frame, ok := bytes.CutPrefix(frame, []byte("before"))
	flags, head := frame[0], 2
	if flags&wire.FlagLong != 0 {
		head = wire.MaxHeader
	}
	if plain = frame[head:]; !ok || !bytes.Equal(wire.AppendHeader(nil, flags, len(plain)), frame[:head]) {
		tb.Fatalf("opened %q, which is no frame", frame)
	}
	return flags &^ wire.FlagLong, plain, nil
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// TestSealerAgainstReference exchanges frames of all sizes at which the sealer does
// something else than before, with a peer that shares no code with it.
func TestSealerAgainstReference(t *testing.T) {
	t.Parallel()
	serverKeys := newNaclPair(t)
	m := factory(t, mechanism.CurveServer{Keys: serverKeys.keyPair(t), Authenticator: mechanism.AllowAny})(serverParams)
	p := newCurvePeer(t, newNaclPair(t), serverKeys.public)
	reply, _, err := m.Handle(t.Context(), p.hello())
	if err != nil {
		t.Fatal(err)
	}
	p.welcomed(body(t, reply))
	if _, done, err := m.Handle(t.Context(), p.initiate(nil)); !done || err != nil {
		t.Fatal(done, err)
	}
	sizes := []int{511, 512, 513, 600, 607, 608, 1024, 65535, 65536, 1 << 20}
	for n := range 300 {
		sizes = append(sizes, n)
	}
	for i, n := range sizes {
		plain := noise(n)
		if _, got := p.opened(byServer, sealed(t, m.Sealer(), 0, plain)); got != string(plain) {
			t.Errorf("frame of %d bytes is sealed wrong", n)
		}
		_, got, err := opened(t, m.Sealer(), 0, p.message(byClient, uint64(10+3*i), 0, string(plain)))
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("frame of %d bytes is opened wrong: %v", n, err)
		}
	}
}

func TestSealerRefusesReplay(t *testing.T) {
	t.Parallel()
	client, server := sealers(t)
	var frames [12][]byte
	for i := range frames {
		frames[i] = sealed(t, client, 0, fmt.Appendf(nil, "frame %d", i))
	}
	for _, tt := range []struct {
		frame int
		ok    bool
	}{
		{0, true},
		{0, false},
		{1, true},
		{0, false},
		{1, false},
		{9, true}, // those between were lost
		{2, false},
		{8, false},
		{9, false},
		{10, true},
		{11, true},
		{11, false},
	} {
		if _, err := server.Open(nil, 0, frames[tt.frame]); (err == nil) != tt.ok {
			t.Errorf("frame %d: %v, want success %t", tt.frame, err, tt.ok)
		}
	}
}

// TestSealerRefusesForgedNonces makes frames with nonces for which no keystream was
// made yet, whose authenticator would be right if that were all zeros.
func TestSealerRefusesForgedNonces(t *testing.T) {
	t.Parallel()
	_, server := sealers(t)
	for _, n := range []uint64{0, 1, 2, 3, 4, 5, 100, 1 << 32, 1 << 63, math.MaxUint64} {
		if _, err := server.Open(nil, 0, command("MESSAGE", count(n), make([]byte, 17))); err == nil {
			t.Errorf("nonce %d: opened", n)
		}
	}
}

func TestSealerRefusesTamperedFrames(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 64, 200, 1000} {
		client, server := sealers(t)
		plain := noise(size)
		good := sealed(t, client, wire.FlagMore, plain)
		refused := func(what string, bad []byte) {
			dst := make([]byte, size+wire.MaxHeader)
			got, err := server.Open(dst[:0], 0, bad)
			if err == nil || got != nil || !bytes.Equal(dst, make([]byte, len(dst))) {
				t.Errorf("%d bytes, %s: opened %q into %q, %v", size, what, got, dst, err)
			}
		}
		for i := range good {
			for bit := range 8 {
				bad := bytes.Clone(good)
				bad[i] ^= 1 << bit
				refused(fmt.Sprintf("bit %d of byte %d", bit, i), bad)
			}
		}
		for i := range good {
			refused(fmt.Sprintf("cut at %d", i), bytes.Clone(good[:i]))
		}
		refused("longer", append(bytes.Clone(good), 0))
		flags, got, err := opened(t, server, 0, good)
		if err != nil || flags != wire.FlagMore || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes, untouched: %v", size, err)
		}
	}
}

func TestSealerRefusesOtherFrames(t *testing.T) {
	t.Parallel()
	client, server := sealers(t)
	other, _ := sealers(t)
	for name, b := range map[string][]byte{
		"nothing":            nil,
		"plain message":      []byte("hello"),
		"plain PING":         []byte("\x04PING\x00\x00"),
		"ERROR":              []byte("\x05ERROR\x03400"),
		"long message":       bytes.Repeat([]byte("x"), 1000),
		"empty MESSAGE":      command("MESSAGE"),
		"MESSAGE without ID": command("MESSAGE", count(9)),
		"all zeros":          command("MESSAGE", count(9), make([]byte, 100)),
		"its own":            sealed(t, server, 0, []byte("echo")),
		"of another peer":    sealed(t, other, 0, []byte("hello")),
	} {
		if got, err := server.Open(nil, 0, b); err == nil {
			t.Errorf("%s: opened %q", name, got)
		}
	}
	if _, got, err := opened(t, server, 0, sealed(t, client, 0, []byte("hello"))); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestFlagsAreInTheBox shows that nobody can change them on the way.
func TestFlagsAreInTheBox(t *testing.T) {
	t.Parallel()
	client, server := sealers(t)
	for _, flags := range []byte{0, wire.FlagMore, wire.FlagCommand} {
		for _, outer := range []byte{0, wire.FlagMore, wire.FlagLong, wire.FlagCommand, 0xff} {
			got, plain, err := opened(t, server, outer, sealed(t, client, flags|wire.FlagLong, []byte("x")))
			if err != nil || got != flags || string(plain) != "x" {
				t.Errorf("flags %d, outer %d: %d, %q, %v", flags, outer, got, plain, err)
			}
		}
	}
}

func TestUnknownFlagsInTheBox(t *testing.T) {
	t.Parallel()
	serverKeys := newNaclPair(t)
	m := factory(t, mechanism.CurveServer{Keys: serverKeys.keyPair(t), Authenticator: mechanism.AllowAny})(serverParams)
	p := newCurvePeer(t, newNaclPair(t), serverKeys.public)
	reply, _, err := m.Handle(t.Context(), p.hello())
	if err != nil {
		t.Fatal(err)
	}
	p.welcomed(body(t, reply))
	if _, _, err := m.Handle(t.Context(), p.initiate(nil)); err != nil {
		t.Fatal(err)
	}
	for i, flags := range []byte{3, 4, 8, 0x80, 0xff} {
		if _, err := m.Sealer().Open(nil, 0, p.message(byClient, uint64(10+i), flags, "x")); err == nil {
			t.Errorf("flags %#x: opened", flags)
		}
	}
}

func TestOneSealsWhileAnotherOpens(t *testing.T) {
	t.Parallel()
	client, server := sealers(t)
	const frames = 2000
	toServer, toClient := make(chan []byte, frames), make(chan []byte, frames)
	var wg sync.WaitGroup
	for _, end := range []struct {
		s       mechanism.Sealer
		out, in chan []byte
	}{{client, toServer, toClient}, {server, toClient, toServer}} {
		wg.Go(func() {
			for i := range frames {
				end.out <- sealed(t, end.s, 0, fmt.Appendf(nil, "%d", i))
			}
		})
		wg.Go(func() {
			for i := range frames {
				_, plain, err := opened(t, end.s, 0, <-end.in)
				if err != nil || string(plain) != fmt.Sprint(i) {
					t.Errorf("frame %d: %q, %v", i, plain, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestSealerInPlace opens frames of all sizes where they lie, with bytes around them that
// stay.
func TestSealerInPlace(t *testing.T) {
	t.Parallel()
	client, server := sealers(t)
	sizes := []int{1 << 10, 65535, 65536, 65537, 1<<20 + 1}
	for n := range 700 {
		sizes = append(sizes, n)
	}
	const around = "around"
	for i, size := range sizes {
		plain, flags := noise(size), []byte{0, wire.FlagMore, wire.FlagCommand}[i%3]
		frame, err := client.Seal([]byte(around), flags, plain)
		if err != nil {
			t.Fatal(err)
		}
		head := len(around) + wire.HeaderSize(size+mechanism.CurveOverhead)
		body := append(frame, around...)[head:len(frame)]
		frame = body[:len(body)+len(around)]
		at := mechanism.CurveOverhead - wire.HeaderSize(size)
		got, err := server.Open(body[at:][:0], 0, body)
		if want := append(wire.AppendHeader(nil, flags, size), plain...); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: opened as %d, %v", size, len(got), err)
		}
		if &got[0] != &body[at] {
			t.Errorf("%d bytes were opened elsewhere", size)
		}
		if end := frame[len(body):]; string(end) != around {
			t.Errorf("%d bytes: what follows them became %q", size, end)
		}
	}
	body := sealed(t, client, 0, noise(300))
	body[len(body)-1]++
	if got, err := server.Open(body[mechanism.CurveOverhead-wire.MaxHeader:][:0], 0, body); err == nil || got != nil {
		t.Errorf("a frame that was changed is opened as %d bytes, %v", len(got), err)
	}
}

// TestNoncesRunOut: the last nonce can be used, none for a second time, in either direction.
func TestNoncesRunOut(t *testing.T) {
	t.Parallel()
	client, server := sealers(t)
	mechanism.SetNonces(client, math.MaxUint64-2, math.MaxUint64-2)
	mechanism.SetNonces(server, math.MaxUint64-2, math.MaxUint64-2)
	var last []byte
	for i := range 2 {
		plain := noise(200 * i)
		last = sealed(t, client, 0, plain)
		if _, got, err := opened(t, server, 0, last); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("frame %d of the last two: %v", i, err)
		}
		if _, got, err := opened(t, client, 0, sealed(t, server, 0, plain)); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("frame %d of the last two, back: %v", i, err)
		}
	}
	for range 2 {
		for _, s := range []mechanism.Sealer{client, server} {
			if frame, err := s.Seal([]byte("before"), 0, noise(100)); frame != nil || err == nil || !strings.Contains(err.Error(), "used up") {
				t.Errorf("sealed %x, %v without a nonce", frame, err)
			}
		}
		if _, _, err := opened(t, server, 0, last); err == nil || !strings.Contains(err.Error(), "used up") {
			t.Errorf("opened after the last nonce: %v", err)
		}
	}
}

func TestSealerAllocatesNothing(t *testing.T) {
	client, server := sealers(t)
	for _, size := range []int{0, 64, 1 << 10, 64 << 10} {
		plain := make([]byte, size)
		dst := make([]byte, 0, size+wire.MaxHeader+mechanism.CurveOverhead)
		got := make([]byte, 0, size+wire.MaxHeader)
		if n := testing.AllocsPerRun(100, func() {
			frame, _ := client.Seal(dst, 0, plain)
			_, _, head, _ := wire.ParseHeader(frame)
			if _, err := server.Open(got, 0, frame[head:]); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%d bytes: %v allocations for sealing and opening", size, n)
		}
	}
}
