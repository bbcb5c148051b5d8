package wire_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
	"pgregory.net/rapid"
)

func ExampleParseHeader() {
	b := wire.AppendHeader(nil, wire.FlagMore, 5)
	b = append(b, "topic"...)

	flags, size, n, err := wire.ParseHeader(b)
	if err != nil || n == 0 { // n is 0 when more bytes are needed
		return
	}
	body := b[n : int64(n)+size]
	fmt.Printf("%s, more follow: %t\n", body, flags&wire.FlagMore != 0)
	// Output: topic, more follow: true
}

func TestAppendHeader(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		flags byte
		size  int
		want  string
	}{
		{0, 0, "\x00\x00"},
		{wire.FlagMore, 255, "\x01\xff"},
		{wire.FlagMore, 256, "\x03\x00\x00\x00\x00\x00\x00\x01\x00"},
		{wire.FlagCommand, 7, "\x04\x07"},
		{wire.FlagCommand, 1 << 20, "\x06\x00\x00\x00\x00\x00\x10\x00\x00"},
		{wire.FlagLong, 1, "\x00\x01"},
	} {
		if got := wire.AppendHeader(nil, tt.flags, tt.size); string(got) != tt.want {
			t.Errorf("AppendHeader(%d, %d) = %q, want %q", tt.flags, tt.size, got, tt.want)
		}
		if got := wire.HeaderSize(tt.size); got != len(tt.want) {
			t.Errorf("HeaderSize(%d) = %d, want %d", tt.size, got, len(tt.want))
		}
	}
}

func TestParseHeader(t *testing.T) {
	t.Parallel()
	const long, command = wire.FlagLong, wire.FlagCommand
	for _, tt := range []struct {
		name  string
		bytes string
		flags byte
		size  int64
		n     int
	}{
		{"empty message", "\x00\x00", 0, 0, 2},
		{"more", "\x01\xff", wire.FlagMore, 255, 2},
		{"long form of a short frame", "\x02\x00\x00\x00\x00\x00\x00\x00\x03", long, 3, 9},
		{"the largest", "\x02\x7f\xff\xff\xff\xff\xff\xff\xff", long, math.MaxInt64, 9},
		{"long command", "\x06\x00\x00\x00\x00\x00\x00\x01\x00", long | command, 256, 9},
		{"one-byte command", "\x04\x01", command, 1, 2},
		{"unflagged, topic of 246", "\x04\x00\x00\x00\x00\x00\x00\x01\x00", long | command, 256, 9},
		{"unflagged, topic of 255", "\x04\x00\x00\x00\x00\x00\x00\x01\x09", long | command, 265, 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			flags, size, n, err := wire.ParseHeader([]byte(tt.bytes + "body"))
			if flags != tt.flags || size != tt.size || n != tt.n || err != nil {
				t.Errorf("got flags %d, size %d, n %d, %v; want %d, %d, %d",
					flags, size, n, err, tt.flags, tt.size, tt.n)
			}
			for short := range len(tt.bytes) {
				if _, _, n, err := wire.ParseHeader([]byte(tt.bytes[:short])); n != 0 || err != nil {
					t.Errorf("with %d bytes: n %d, %v; want to be asked for more", short, n, err)
				}
			}
		})
	}
}

func TestParseHeaderRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, bytes string
	}{
		{"reserved bit 3", "\x08"},
		{"reserved bit 7", "\x80\x01"},
		{"command with more", "\x05"},
		{"long command with more", "\x07\x00"},
		{"size of 2^63", "\x02\x80\x00\x00\x00\x00\x00\x00\x00"},
		{"size of 2^64-1", "\x06\xff\xff\xff\xff\xff\xff\xff\xff"},
		{"empty command before another frame", "\x04\x00\x04"},
		{"empty command before a message", "\x04\x00\x00\x05hello"},
		{"unflagged, size of 1", "\x04\x00\x00\x00\x00\x00\x00\x00\x01"},
		{"unflagged, size of 266", "\x04\x00\x00\x00\x00\x00\x00\x01\x0a"},
		{"unflagged, size of 512", "\x04\x00\x00\x00\x00\x00\x00\x02\x00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, n, err := wire.ParseHeader([]byte(tt.bytes))
			if n != 0 || err == nil {
				t.Errorf("n %d, %v; want an error", n, err)
			}
		})
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		flags := rapid.SampledFrom([]byte{0, wire.FlagMore, wire.FlagCommand}).Draw(t, "flags")
		smallest := 0
		if flags == wire.FlagCommand {
			smallest = 1
		}
		size := rapid.OneOf(rapid.IntRange(smallest, 300), rapid.IntRange(smallest, math.MaxInt)).Draw(t, "size")
		b := wire.AppendHeader(nil, flags, size)
		gotFlags, gotSize, n, err := wire.ParseHeader(append(b, 0xee))
		if err != nil || n != len(b) || gotSize != int64(size) || gotFlags&^wire.FlagLong != flags {
			t.Fatalf("got flags %d, size %d, n %d, %v", gotFlags, gotSize, n, err)
		}
		if long := gotFlags&wire.FlagLong != 0; long != (size > 255) {
			t.Fatalf("long form is %t for a size of %d", long, size)
		}
	})
}

func FuzzHeader(f *testing.F) {
	for _, s := range []string{
		"\x00\x05hello", "\x01\x00", "\x02\x00\x00\x00\x00\x00\x01\x00\x00", "\x04\x05\x04PING",
		"\x06\xff\xff\xff\xff\xff\xff\xff\xff", "\x04\x00\x00\x00\x00\x00\x00\x01\x05", "\x80\x01",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		flags, size, n, err := wire.ParseHeader(b)
		if err != nil {
			if n != 0 {
				t.Fatalf("n is %d beside the error %v", n, err)
			}
			return
		}
		if n == 0 {
			if len(b) >= wire.MaxHeader {
				t.Fatalf("%d bytes are not enough", len(b))
			}
			return
		}
		if (n != 2 && n != wire.MaxHeader) || n > len(b) || size < 0 || flags > 7 {
			t.Fatalf("flags %d, size %d, n %d of %d bytes", flags, size, n, len(b))
		}
		if n == wire.MaxHeader != (flags&wire.FlagLong != 0) {
			t.Fatalf("flags %d with a header of %d bytes", flags, n)
		}
		// What comes after a header does not change it, and before its end nothing is decided.
		f2, s2, n2, err2 := wire.ParseHeader(b[:n])
		if f2 != flags || s2 != size || n2 != n || err2 != nil {
			t.Fatalf("without the body: flags %d, size %d, n %d, %v", f2, s2, n2, err2)
		}
		if _, _, n3, err3 := wire.ParseHeader(b[:n-1]); n3 != 0 || err3 != nil {
			t.Fatalf("a byte short: n %d, %v", n3, err3)
		}
		if canonical := wire.AppendHeader(nil, flags, int(size)); len(canonical) == n && b[0] == canonical[0] && !bytes.Equal(canonical, b[:n]) {
			t.Fatalf("header %x became %x", b[:n], canonical)
		}
	})
}

//nolint:paralleltest // AllocsPerRun counts the allocations of the whole process.
func TestHeadersDoNotAllocate(t *testing.T) {
	dst := make([]byte, 0, wire.MaxHeader)
	for _, size := range []int{5, 5000} {
		allocs := testing.AllocsPerRun(100, func() {
			b := wire.AppendHeader(dst, wire.FlagMore, size)
			if _, _, n, err := wire.ParseHeader(b); n == 0 || err != nil {
				t.Fatal(n, err)
			}
		})
		if allocs != 0 {
			t.Errorf("%v allocations for a size of %d", allocs, size)
		}
	}
}

func BenchmarkParseHeader(b *testing.B) {
	for _, bm := range []struct {
		name  string
		flags byte
		size  int
	}{
		{"short", 0, 64},
		{"long", 0, 64 << 10},
		{"command", wire.FlagCommand, 64},
	} {
		b.Run(bm.name, func(b *testing.B) {
			header := wire.AppendHeader(nil, bm.flags, bm.size)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, n, err := wire.ParseHeader(header); n == 0 || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func BenchmarkAppendHeader(b *testing.B) {
	for _, size := range []int{64, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			dst := make([]byte, 0, wire.MaxHeader)
			b.ReportAllocs()
			for b.Loop() {
				if len(wire.AppendHeader(dst, 0, size)) == 0 {
					b.Fatal("no header")
				}
			}
		})
	}
}
