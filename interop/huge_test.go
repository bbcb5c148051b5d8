package interop_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// TestHuge receives messages from libzmq that are larger than 2^31 bytes, in one frame and in
// three. It needs minutes and some six times the size in memory, so it runs only if it is asked
// for, with the size in MiB:
//
//	EXPERIMANCE_HUGE=2253 go test ./interop -run TestHuge -v -timeout 30m
func TestHuge(t *testing.T) {
	asked := os.Getenv("EXPERIMANCE_HUGE")
	if asked == "" {
		t.Skip("it takes gigabytes: EXPERIMANCE_HUGE=2253 runs it with 2.2 GiB")
	}
	mebibytes, err := strconv.Atoi(asked)
	if err != nil {
		t.Fatal(err)
	}
	size := mebibytes << 20
	for _, trust := range []trust{noTrust, trusts()[curveByGo]} {
		for _, shape := range [][]int{{size}, {size / 3, size / 3, size / 3}} {
			t.Run(fmt.Sprintf("%s/%d", trust.name, len(shape)), func(t *testing.T) {
				m := meeting{inC, types{"PULL", "PUSH"}, true, overTCP, 1, trust}
				s, p := m.hold(t, zmq.Config{MaxMessageSize: -1})
				p.order("send", words(nil, shape, 1))
				got, err := s.(receiver).Recv(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer got.Release()
				if got.Len() != len(shape) {
					t.Fatalf("received %d frames, want %d", got.Len(), len(shape))
				}
				for i, frame := range got.All() {
					if len(frame) != shape[i] {
						t.Errorf("frame %d has %d bytes, want %d", i, len(frame), shape[i])
					}
					if at := differs(frame, 13+i); at >= 0 {
						t.Errorf("frame %d has another byte at %d", i, at)
					}
				}
			})
		}
	}
}

// differs returns the index of the first byte that is not that of the pattern with this seed, or
// -1.
func differs(body []byte, seed int) int {
	want := byte(seed % 251)
	for i, b := range body {
		if b != want {
			return i
		}
		if want++; want == 251 {
			want = 0
		}
	}
	return -1
}
