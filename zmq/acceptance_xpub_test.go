package zmq_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// Topics around the length at which the commands need the LONG flag arrive whole.
func TestCase_xpub_topic(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		xpub, sub := open(t, zmq.NewXPub, zmq.Config{}), newSub(t, zmq.Config{})
		check(t, sub.Connect(bind(t, xpub, endpoint)))
		for _, size := range []int{0, 1, 245, 246, 247, 248, 249, 254, 255, 256, 1 << 16} {
			topic := strings.Repeat("ABCDEFGHIJKLMNOP", size/16+1)[:size]
			check(t, sub.Subscribe(topic))
			expect(t, xpub, "\x01"+topic)
			send(t, xpub, topic+"!")
			expect(t, sub, topic+"!")
			check(t, sub.Unsubscribe(topic))
			expect(t, xpub, "\x00"+topic)
		}
	})
}

// subscribable is a SUB or an XSUB.
type subscribable interface {
	socket
	Subscribe(prefix string) error
	Unsubscribe(prefix string) error
}

// reports returns what an XPUB receives of what is done with one of its subscribers. A subscription made afterwards marks the
// end.
func reports(t testing.TB, xpub *zmq.XPub, sub subscribable, do func() error) (got []string) {
	t.Helper()
	check(t, sub.WaitPeers(within(t), 1)) // what was subscribed to before comes in any order
	check(t, do())
	mark := fmt.Sprint("mark ", xpub.Stats().MessagesReceived)
	check(t, sub.Subscribe(mark))
	for {
		switch m := recv(t, xpub); m {
		case "\x01" + mark:
			return got
		default:
			got = append(got, m)
		}
	}
}

// expectReports fails the test unless an XPUB receives this of what is done.
func expectReports(t testing.TB, xpub *zmq.XPub, sub subscribable, do func() error, want ...string) {
	t.Helper()
	if got := reports(t, xpub, sub, do); !slices.Equal(got, want) {
		t.Errorf("reported %q, want %q", got, want)
	}
}

// subscribing and ending are what may be done.
func subscribing(s subscribable, prefix string) func() error {
	return func() error { return s.Subscribe(prefix) }
}

func ending(s subscribable, prefix string) func() error {
	return func() error { return s.Unsubscribe(prefix) }
}

// An XPUB reports the first subscription to a prefix and the end of the last; with Verbose every subscription; with Verboser
// every subscription and every end.
func TestCase_xpub_verbose(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		for i, c := range []struct {
			cfg        zmq.Config
			more, less []string // reports of a further subscription, and of an end that is not the last
		}{
			{zmq.Config{}, nil, nil},
			{zmq.Config{Verbose: true}, []string{"\x01A"}, nil},
			{zmq.Config{Verboser: true}, []string{"\x01A"}, []string{"\x00A"}},
		} {
			xpub := open(t, zmq.NewXPub, c.cfg)
			one, two := newSub(t, zmq.Config{}), newSub(t, zmq.Config{})
			at := bind(t, xpub, numbered(endpoint, i))
			check(t, one.Connect(at))
			check(t, two.Connect(at))
			expectReports(t, xpub, one, subscribing(one, "A"), "\x01A")
			expectReports(t, xpub, one, subscribing(one, "B"), "\x01B")
			expectReports(t, xpub, one, subscribing(one, "A"), c.more...)
			expectReports(t, xpub, two, subscribing(two, "A"), c.more...)
			send(t, xpub, "A")
			send(t, xpub, "B")
			expect(t, one, "A", "B")
			expect(t, two, "A")
			expectReports(t, xpub, one, ending(one, "A")) // one of two: the SUB itself says nothing
			expectReports(t, xpub, one, ending(one, "A"), c.less...)
			expectReports(t, xpub, two, ending(two, "A"), "\x00A")
			if err := two.Unsubscribe("A"); err == nil {
				t.Error("unsubscribed from what there is no subscription to")
			}
		}
	})
}

// An XSUB tells of the last end of a subscription only; with VerboseUnsubscribe of every one, those included that nothing was
// before.
func TestCase_xsub_verbose(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		xpub := open(t, zmq.NewXPub, zmq.Config{Verboser: true})
		at := bind(t, xpub, endpoint)
		for _, verbose := range []bool{false, true} {
			var parts []string
			if verbose {
				parts = []string{"\x00A"}
			}
			xsub := open(t, zmq.NewXSub, zmq.Config{VerboseUnsubscribe: verbose})
			check(t, xsub.Connect(at))
			sending := func(m string) func() error {
				return func() error { return xsub.Send(within(t), []byte(m)) }
			}
			expectReports(t, xpub, xsub, sending("\x00A"), parts...)
			expectReports(t, xpub, xsub, sending("\x01A"), "\x01A")
			expectReports(t, xpub, xsub, sending("\x01A"), "\x01A")
			expectReports(t, xpub, xsub, sending("\x00A"), parts...)
			expectReports(t, xpub, xsub, sending("\x00A"), "\x00A")
			if err := xsub.Unsubscribe("A"); (err == nil) != verbose {
				t.Errorf("verbose=%v: a further end gives %v", verbose, err)
			}
		}
	})
}

// With Manual an XPUB reports all that its peers ask for, and the user decides what they get.
func TestCase_xpub_manual(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		t.Run("the user decides", func(t *testing.T) { userDecides(t, numbered(endpoint, 0)) })
		t.Run("forwarder", func(t *testing.T) { forwards(t, numbered(endpoint, 1), numbered(endpoint, 2)) })
		t.Run("user messages", func(t *testing.T) { userMessages(t, numbered(endpoint, 3)) })
	})
}

// userDecides checks that what a peer has asked for ends when it goes, whatever it got.
func userDecides(t *testing.T, endpoint string) {
	t.Helper()
	xpub, xsub := open(t, zmq.NewXPub, zmq.Config{Manual: true}), open(t, zmq.NewXSub, zmq.Config{})
	if err := xpub.Subscribe("A"); err == nil {
		t.Error("subscribed nobody")
	}
	at := bind(t, xpub, endpoint)
	check(t, xsub.Connect(at))
	check(t, xsub.WaitPeers(within(t), 1))
	send(t, xsub, "\x01A")
	send(t, xsub, "\x01B")
	expect(t, xpub, "\x01A")
	check(t, xpub.Subscribe("XA"))
	expect(t, xpub, "\x01B")
	check(t, xpub.Subscribe("XB"))
	for _, m := range []string{"A", "B", "XA", "XB"} {
		send(t, xpub, m)
	}
	expect(t, xsub, "XA", "XB")
	send(t, xsub, "\x00A")
	expect(t, xpub, "\x00A")
	check(t, xpub.Unsubscribe("XA"))
	for _, m := range []string{"A", "B", "XA", "XB"} {
		send(t, xpub, m)
	}
	expect(t, xsub, "XB")
	check(t, xsub.Close())
	expect(t, xpub, "\x00B")
	check(t, xpub.Unsubscribe("XB")) // there is nobody any more
	check(t, xpub.Subscribe("XC"))
	peers(t, xpub, 0)
	nothing(t, xpub)

	back := open(t, zmq.NewXSub, zmq.Config{})
	check(t, back.Connect(at))
	send(t, back, "\x01C")
	expect(t, xpub, "\x01C")
	check(t, xpub.Subscribe("XC"))
	send(t, xpub, "XB")
	send(t, xpub, "XC")
	expect(t, back, "XC")
}

// forwarder is the device that a user makes of an XSUB and a manual XPUB.
type forwarder struct {
	t    testing.TB
	xsub *zmq.XSub
	xpub *zmq.XPub
}

func newForwarder(t testing.TB, cfg zmq.Config) forwarder {
	t.Helper()
	return forwarder{t, open(t, zmq.NewXSub, zmq.Config{}), open(t, zmq.NewXPub, cfg)}
}

// upstream passes subscriptions on, and obeys them.
func (f forwarder) upstream(reports ...string) {
	f.t.Helper()
	for _, want := range reports {
		expect(f.t, f.xpub, want)
		obey := f.xpub.Subscribe
		if want[0] == 0 {
			obey = f.xpub.Unsubscribe
		}
		check(f.t, obey(want[1:]))
		send(f.t, f.xsub, want)
	}
}

// downstream passes a message on.
func (f forwarder) downstream() {
	f.t.Helper()
	m := must(f.xsub.Recv(within(f.t)))(f.t)
	check(f.t, f.xpub.Send(within(f.t), m.Frames()...))
}

// forwards checks that a forwarder of one's own hears of each subscriber, and of the end of each when they vanish.
func forwards(t *testing.T, front, back string) {
	t.Helper()
	f := newForwarder(t, zmq.Config{Manual: true})
	pub, one, two := newPub(t, zmq.Config{}), newSub(t, zmq.Config{}, "1"), newSub(t, zmq.Config{})
	check(t, pub.Connect(bind(t, f.xsub, front)))
	at := bind(t, f.xpub, back)
	check(t, f.xsub.WaitPeers(within(t), 1))
	check(t, one.Connect(at))
	f.upstream("\x011")
	check(t, two.Connect(at))
	check(t, two.Subscribe("1"))
	f.upstream("\x011")
	check(t, pub.WaitSubscribers(within(t), "1", 1))
	send(t, pub, "1", "X")
	f.downstream()
	expect(t, one, "1|X")
	expect(t, two, "1|X")

	// Two that subscribe before the device has obeyed the first are both subscribed.
	check(t, two.Subscribe("2"))
	check(t, two.Subscribe("3"))
	f.upstream("\x012", "\x013")
	check(t, pub.WaitSubscribers(within(t), "2", 1))
	check(t, pub.WaitSubscribers(within(t), "3", 1))
	for _, topic := range []string{"2", "3"} {
		send(t, pub, topic, "X")
		f.downstream()
		expect(t, two, topic+"|X")
	}
	check(t, one.Close())
	f.upstream("\x001")
	check(t, two.Close())
	var ends []string
	for range 3 {
		ends = append(ends, recv(t, f.xpub))
	}
	if slices.Sort(ends); !slices.Equal(ends, []string{"\x001", "\x002", "\x003"}) {
		t.Errorf("the end of %q", ends)
	}
	for _, end := range ends {
		send(t, f.xsub, end)
	}
	eventually(t, "the publisher has nobody", func() bool { return pub.WaitSubscribers(ended(), "1", 1) != nil })
	send(t, pub, "1", "X")
	if st := settled(t, pub); st.MessagesSent != 3 {
		t.Errorf("%d messages were sent, want the 3 that were wanted", st.MessagesSent)
	}
}

// userMessages checks that a message of an XSUB that is no subscription reaches the XPUB.
func userMessages(t *testing.T, endpoint string) {
	t.Helper()
	xpub, xsub := open(t, zmq.NewXPub, zmq.Config{}), open(t, zmq.NewXSub, zmq.Config{})
	check(t, xsub.Connect(bind(t, xpub, endpoint)))
	check(t, xsub.WaitPeers(within(t), 1))
	send(t, xsub, "\x02A")
	send(t, xsub, "ABC", "\x00BC")
	send(t, xsub, "\x00BC") // an end without a subscription
	send(t, xsub, "ABC", "\x01BC")
	send(t, xsub, "\x01BC", "of two frames")
	send(t, xsub, "")
	expect(t, xpub, "\x02A", "ABC|\x00BC", "ABC|\x01BC", "\x01BC|of two frames", "")
	send(t, xsub, "\x01BC")
	expect(t, xpub, "\x01BC")
}

// With ManualLastValue the first message after XPub.Subscribe goes to the new subscriber alone, if it matches.
func TestCase_xpub_manual_last_value(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		xpub := open(t, zmq.NewXPub, zmq.Config{ManualLastValue: true})
		one, two := newSub(t, zmq.Config{}, "A"), newSub(t, zmq.Config{}, "A")
		at := bind(t, xpub, endpoint)
		check(t, one.Connect(at))
		expect(t, xpub, "\x01A")
		check(t, xpub.Subscribe("A"))
		send(t, xpub, "A", "last value for one")
		expect(t, one, "A|last value for one")
		check(t, two.Connect(at))
		expect(t, xpub, "\x01A")
		check(t, xpub.Subscribe("A"))
		send(t, xpub, "A", "last value for two")
		send(t, xpub, "A", "for both")
		expect(t, two, "A|last value for two", "A|for both")
		expect(t, one, "A|for both")

		check(t, one.Subscribe("B"))
		expect(t, xpub, "\x01B")
		check(t, xpub.Subscribe("B"))
		check(t, two.Subscribe("C"))
		expect(t, xpub, "\x01C") // and is not obeyed: the last value is still for one
		send(t, xpub, "A", "again for one")
		send(t, xpub, "A", "for both")
		expect(t, one, "A|again for one", "A|for both")
		expect(t, two, "A|for both")

		check(t, one.Unsubscribe("B"))
		expect(t, xpub, "\x00B")
		check(t, xpub.Unsubscribe("B"))
		send(t, xpub, "A", "an end has no last value")
		expect(t, one, "A|an end has no last value")
		expect(t, two, "A|an end has no last value")

		check(t, two.Close())
		ends := []string{recv(t, xpub), recv(t, xpub)}
		if slices.Sort(ends); !slices.Equal(ends, []string{"\x00A", "\x00C"}) {
			t.Errorf("the end of %q", ends)
		}
		check(t, xpub.Subscribe("A")) // of somebody who is gone: the next message is for all
		send(t, xpub, "A", "the end")
		expect(t, one, "A|the end")
	})
}

// With NoDrop a message that does not fit into a peer's queue is sent to nobody, and can be sent again later.
func TestCase_xpub_nodrop(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		xpub := open(t, zmq.NewXPub, zmq.Config{SendHWM: 10, NoDrop: true})
		slow, quick := newSub(t, zmq.Config{RecvHWM: 10}), newSub(t, zmq.Config{RecvHWM: 10})
		at := bind(t, xpub, endpoint)
		check(t, slow.Connect(at))
		check(t, quick.Connect(at))
		expectReports(t, xpub, slow, subscribing(slow, ""), "\x01")
		expectReports(t, xpub, quick, subscribing(quick, ""))
		sent := 0
		for ; ; sent++ {
			err := xpub.Send(within(t), fmt.Append(nil, sent), make([]byte, 256<<10))
			if errors.Is(err, zmq.ErrWouldDrop) {
				break
			}
			check(t, err)
			m := must(quick.Recv(within(t)))(t)
			if got := string(m.Bytes()); got != fmt.Sprint(sent) {
				t.Fatalf("received message %s, want %d", got, sent)
			}
			m.Release()
		}
		nothing(t, quick)
		if isInproc(at) && sent != 20 {
			t.Errorf("full after %d messages, want the sum of both sides' marks", sent)
		}
		for i := range sent {
			m := must(slow.Recv(within(t)))(t)
			if got := string(m.Bytes()); got != fmt.Sprint(i) {
				t.Fatalf("received message %s, want %d", got, i)
			}
			m.Release()
		}
		send(t, xpub, "again")
		expect(t, slow, "again")
		expect(t, quick, "again")
		if st := settled(t, xpub); st.Dropped != 0 {
			t.Errorf("%d messages were dropped", st.Dropped)
		}
	})
}

// A publisher greets each new peer with the same message, first of all.
func TestCase_xpub_welcome_msg(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		cfg := zmq.Config{WelcomeMessage: []byte("W")}
		for i, pub := range []sender{open(t, zmq.NewXPub, cfg), newPub(t, cfg)} {
			at := bind(t, pub, numbered(endpoint, i))
			for range 3 {
				sub, xsub, other := newSub(t, zmq.Config{}, "W"), open(t, zmq.NewXSub, zmq.Config{}), newSub(t, zmq.Config{}, "x")
				for _, s := range []receiver{sub, xsub, other} {
					check(t, s.Connect(at))
				}
				expect(t, sub, "W")
				expect(t, xsub, "W")
				eventually(t, "x is subscribed to", func() bool {
					send(t, pub, "x", "comes after the greeting")
					m, err := other.Recv(shortly())
					return err == nil && text(m) == "x|comes after the greeting"
				})
			}
		}
	})
}
