package ledger_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/experimance/experimance-go/internal/soak/ledger"
)

func TestBook(t *testing.T) {
	t.Parallel()
	var b ledger.Book
	b.Accept(200)
	b.Accept(100) // an older report
	for n := range uint64(200) {
		if n != 0 && n != 63 && n != 64 && n != 65 && n != 199 {
			b.Receive(ledger.Route{Receiver: "a", Connection: 1}, n)
		}
	}
	if b.Sent() != 200 || b.Received() != 195 {
		t.Errorf("%d sent, %d received, want 200 and 195", b.Sent(), b.Received())
	}
	if diff := cmp.Diff([]uint64{0, 63, 64, 65, 199}, b.Missing()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]uint64{{0}, {63, 64, 65}, {199}}, b.Gaps()); diff != "" {
		t.Error(diff)
	}
	if faults := b.Faults(ledger.Order{Known: true, Unknown: true}); len(faults) > 0 {
		t.Errorf("%v, want no faults", faults)
	}
}

// What can never be right is found: messages that came twice, out of order, or that nobody has sent.
func TestBookFaults(t *testing.T) {
	t.Parallel()
	type order = ledger.Order
	all, unknown := order{true, true}, ledger.Route{Receiver: "a"}
	one, other := ledger.Route{Receiver: "a", Connection: 1}, ledger.Route{Receiver: "a", Connection: 2}
	for _, tt := range []struct {
		name    string
		ordered ledger.Order
		fill    func(*ledger.Book)
		want    string // in the fault; "" for none
	}{
		{"twice", order{}, func(b *ledger.Book) { b.Receive(one, 3); b.Receive(other, 3) }, "again: [3]"},
		{"out of order", all, func(b *ledger.Book) { b.Receive(one, 3); b.Receive(one, 2) }, "1 messages out of order at a, connection 1"},
		{"order is not asked for", order{Unknown: true}, func(b *ledger.Book) { b.Receive(one, 3); b.Receive(one, 2) }, ""},
		{"out of order, unknown", all, func(b *ledger.Book) { b.Receive(unknown, 3); b.Receive(unknown, 2) }, "1 messages out of order"},
		{"order cannot be known", order{Known: true}, func(b *ledger.Book) { b.Receive(unknown, 3); b.Receive(unknown, 2) }, ""},
		{"another connection", all, func(b *ledger.Book) { b.Receive(one, 3); b.Receive(other, 2) }, ""},
		{"never accepted", order{}, func(b *ledger.Book) { b.Receive(one, 10) }, "message 10 received, but only 10 were accepted"},
		{"accepted by a sender that was killed", order{}, func(b *ledger.Book) { b.Receive(one, 10); b.SenderKilled() }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var b ledger.Book
			b.Accept(10)
			tt.fill(&b)
			got := strings.Join(b.Faults(tt.ordered), "; ")
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// Of a sender that was killed, more may have been received than it has told.
func TestBookOfKilled(t *testing.T) {
	t.Parallel()
	var b ledger.Book
	b.Accept(2)
	b.SenderKilled()
	b.Receive(ledger.Route{}, 4)
	if diff := cmp.Diff([]uint64{0, 1, 2, 3}, b.Missing()); diff != "" || b.Sent() != 5 {
		t.Errorf("%d sent: %s", b.Sent(), diff)
	}
}

func TestSettle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		account ledger.Account
		want    ledger.Balance
	}{
		{"exact", ledger.Account{Sent: 5, Received: 5}, ledger.Balance{Sent: 5, Received: 5}},
		{
			"told",
			ledger.Account{Sent: 9, Received: 3, Missing: []uint64{1, 1, 1, 1, 1, 1}, Dropped: 1, Unconfirmed: 2, Discarded: 2},
			ledger.Balance{Sent: 9, Received: 3, Dropped: 1, Unconfirmed: 2, Discarded: 2, Unaccounted: 1},
		},
		{
			"told as unknown, and received",
			ledger.Account{Sent: 5, Received: 5, Unconfirmed: 3},
			ledger.Balance{Sent: 5, Received: 5},
		},
		{
			"bytes cover the smallest, and a break one in part",
			ledger.Account{Sent: 9, Received: 3, Missing: []uint64{50, 10, 99, 10, 99, 20}, RelayBytes: 40, RelayBreaks: 1},
			ledger.Balance{Sent: 9, Received: 3, Relay: 4, Unaccounted: 2},
		},
		{
			"nothing covers it",
			ledger.Account{Sent: 4, Received: 3, Missing: []uint64{50}, RelayBytes: 49},
			ledger.Balance{Sent: 4, Received: 3, Unaccounted: 1},
		},
		{
			"unread processes, and libzmq's doing",
			ledger.Account{Sent: 9, Received: 1, Unsubscribed: 1, Killed: 1, Missing: []uint64{9, 8, 7, 6, 5, 4}, UnreadBytes: 9, LibzmqBreaks: 1, Libzmq: true},
			ledger.Balance{Sent: 9, Received: 1, Unsubscribed: 1, Killed: 3, Libzmq: 4},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, tt.account.Settle()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A balance always adds up, and no more is explained than the reasons allow.
func TestBalanceAddsUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.Uint64Range(0, 20)
		a := ledger.Account{
			Received: small.Draw(t, "received"), Missing: rapid.SliceOfN(rapid.Uint64Range(1, 100), 0, 50).Draw(t, "missing"),
			Dropped: small.Draw(t, "dropped"), Unconfirmed: small.Draw(t, "unconfirmed"), Discarded: small.Draw(t, "discarded"),
			NotCopied: small.Draw(t, "notCopied"), Unsubscribed: small.Draw(t, "absent"), Killed: small.Draw(t, "killed"),
			RelayBytes: 10 * small.Draw(t, "destroyed"), RelayBreaks: small.Draw(t, "breaks"),
			UnreadBytes: 10 * small.Draw(t, "unread"), LibzmqBytes: 10 * small.Draw(t, "libzmq"),
		}
		a.Sent = a.Received + a.Unsubscribed + a.Killed + uint64(len(a.Missing))
		before := slices.Clone(a.Missing)
		b := a.Settle()
		sum := b.Received + b.Dropped + b.Unconfirmed + b.Discarded + b.Unsubscribed + b.Relay + b.Killed + b.Libzmq + b.Unaccounted
		if sum != a.Sent {
			t.Fatalf("%v adds up to %d", b, sum)
		}
		if !slices.Equal(before, a.Missing) {
			t.Fatal("the account has changed")
		}
		bytes := a.RelayBytes + a.UnreadBytes + a.LibzmqBytes
		counts := a.NotCopied + a.Dropped + a.Unconfirmed + a.Discarded + a.RelayBreaks
		if explained := uint64(len(a.Missing)) - b.Unaccounted; explained > counts+bytes {
			t.Fatalf("%d explained, by %d and %d bytes", explained, counts, bytes)
		}
	})
}

func TestBalanceString(t *testing.T) {
	t.Parallel()
	b := ledger.Balance{Sent: 3, Received: 2, Unaccounted: 1}
	if got, want := b.String(), "3 sent = 2 received + 1 UNACCOUNTED FOR"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := b.Plus(b), (ledger.Balance{Sent: 6, Received: 4, Unaccounted: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
