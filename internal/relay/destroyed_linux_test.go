package relay_test

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/experimance/experimance-go/internal/relay"
)

// Whatever befalls a connection: what arrives is the beginning of what was sent, and what is missing of that which the sender's
// system takes for delivered was destroyed by the relay, which says so.
func TestDestroyedByPlans(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		for seed := range uint64(20) {
			r, client, server := connected(t, scheme, relay.Config{SocketBuffer: 32 << 10})
			var wg sync.WaitGroup
			lanes := []*flow{{from: client, to: server}, {from: server, to: client}}
			for _, f := range lanes {
				wg.Go(f.send)
				wg.Go(f.receive)
			}
			plan := relay.NewPlan(seed, 5, relay.PlanConfig{MaxWait: 5 * time.Millisecond, MaxFor: 10 * time.Millisecond})
			check(t, r.Play(within(t), plan, nil))
			if seed%2 == 0 {
				r.Cut()
			} else {
				r.Reset()
			}
			wg.Wait()
			s := ended(t, r)
			for i, l := range []relay.LaneStats{s.ToTarget, s.ToClient} {
				f := lanes[i]
				if f.wrong || f.received > l.Passed || l.Passed > l.Taken {
					t.Errorf("seed %d: received %d (wrong: %v) of %+v", seed, f.received, f.wrong, l)
				}
				if f.acknowledged > f.received+l.Destroyed {
					t.Errorf("seed %d: %d acknowledged, %d received, and %+v", seed, f.acknowledged, f.received, l)
				}
			}
		}
	})
}

// flow sends numbers from one end to the other until that fails.
type flow struct {
	from, to     net.Conn
	acknowledged uint64
	received     uint64
	wrong        bool
}

func (f *flow) send() {
	b := make([]byte, 0, 4096)
	written := uint64(0)
	for next := uint64(0); ; {
		b = b[:0]
		for range cap(b) / 8 {
			b = binary.BigEndian.AppendUint64(b, next)
			next++
		}
		n, err := f.from.Write(b)
		written += uint64(n)
		if err != nil {
			break
		}
	}
	waiting := 0
	if _, ok := f.from.(*net.TCPConn); ok { // over a Unix domain socket everything is with the peer
		raw, err := f.from.(syscall.Conn).SyscallConn()
		if err == nil {
			_ = raw.Control(func(fd uintptr) { waiting, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
		}
	}
	f.acknowledged = written - min(written, uint64(waiting))
}

func (f *flow) receive() {
	var b [8]byte
	for next := uint64(0); ; next++ {
		n, err := io.ReadFull(f.to, b[:])
		f.received += uint64(n)
		if err != nil {
			return
		}
		f.wrong = f.wrong || binary.BigEndian.Uint64(b[:]) != next
	}
}
