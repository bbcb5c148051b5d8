package relay_test

import (
	"encoding/binary"
	"errors"
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
func TestLostByPlans(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		for seed := range uint64(20) {
			r, client, server := connected(t, scheme, relay.Config{SocketBuffer: 32 << 10})
			var wg sync.WaitGroup
			streams := []*flow{{from: client, to: server}, {from: server, to: client}}
			for _, f := range streams {
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
			for i, l := range []relay.StreamStats{s.ToTarget, s.ToClient} {
				f := streams[i]
				if f.wrong || f.received > l.Forwarded || l.Forwarded > l.Received {
					t.Errorf("seed %d: received %d (wrong: %v) of %+v", seed, f.received, f.wrong, l)
				}
				if f.acknowledged > f.received+l.Lost {
					t.Errorf("seed %d: %d acknowledged, %d received, and %+v", seed, f.acknowledged, f.received, l)
				}
			}
		}
	})
}

// A reset by one side does not overtake what its system has sent before, however much that is.
func TestResetDoesNotOvertake(t *testing.T) {
	t.Parallel()
	for _, byClient := range []bool{true, false} {
		r, one, other := connected(t, "tcp", relay.Config{})
		if !byClient {
			one, other = other, one
		}
		sent := make([]byte, 2<<20)
		must(one.Write(sent))(t)
		eventually(t, "the relay's system has everything", func() bool { return waiting(one) == 0 })
		check(t, one.(*net.TCPConn).SetLinger(0))
		one.Close()
		if b, err := io.ReadAll(other); len(b) != len(sent) || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%d bytes, %v, want %d and a reset", len(b), err, len(sent))
		}
		if got := ended(t, r); got.End != relay.ResetByPeer || got.ToTarget.Lost+got.ToClient.Lost > 0 {
			t.Errorf("%+v, want nothing destroyed", got)
		}
	}
}

// waiting returns how many bytes the peer's system has not acknowledged. Over a Unix domain socket it has everything.
func waiting(nc net.Conn) (n int) {
	if _, ok := nc.(*net.TCPConn); !ok {
		return 0
	}
	if raw, err := nc.(syscall.Conn).SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	}
	return n
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
	f.acknowledged = written - min(written, uint64(waiting(f.from)))
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
