package mechanism_test

import (
	"fmt"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
)

var benchSizes = []int{64, 1 << 10, 64 << 10}

func BenchmarkSeal(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			client, _ := sealers(b)
			plain := make([]byte, size)
			dst := make([]byte, 0, size+wire.MaxHeader+mechanism.CurveOverhead)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.Seal(dst, 0, plain); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	const batch = 256
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			client, server := sealers(b)
			plain := make([]byte, size)
			dst := make([]byte, 0, size+wire.MaxHeader)
			var frames [batch][]byte
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%batch == 0 {
					b.StopTimer()
					for i := range frames {
						frames[i], _ = client.Seal(frames[i][:0], 0, plain)
					}
					b.StartTimer()
				}
				frame := frames[i%batch]
				if _, err := server.Open(dst, 0, frame[len(frame)-size-mechanism.CurveOverhead:]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCurveHandshake does the work of both ends.
func BenchmarkCurveHandshake(b *testing.B) {
	serverKeys, clientKeys := newPair(b), newPair(b)
	newClient := factory(b, mechanism.CurveClient{Keys: clientKeys, ServerKey: serverKeys.Public()})
	newServer := factory(b, mechanism.CurveServer{Keys: serverKeys, Clients: mechanism.NewKeySet(clientKeys.Public())})
	b.ReportAllocs()
	for b.Loop() {
		agree(b, newClient(clientParams), newServer(serverParams))
	}
}
