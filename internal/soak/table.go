package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/experimance/experimance-go/internal/soak/harness"
	"github.com/experimance/experimance-go/internal/soak/ledger"
)

// table adds up the pairs of all rounds by their types, transports and mechanisms.
type table struct {
	begin, told time.Time
	rounds      int
	failed      int
	pairs       int
	all         ledger.Balance
	kinds       map[string]*row
	crashes     map[string]int // of libzmq, by message
}

type row struct {
	pairs   int
	balance ledger.Balance
}

func newTable(seed uint64) *table {
	fmt.Printf("seed %d\n", seed)
	return &table{begin: time.Now(), told: time.Now(), kinds: map[string]*row{}, crashes: map[string]int{}}
}

// add adds a round. It prints a line each minute.
func (t *table) add(r *harness.RoundResult) {
	t.rounds++
	if r.Failed() {
		t.failed++
	}
	for _, words := range r.Crashes {
		t.crashes[words]++
	}
	for _, p := range r.Pairs {
		mechanism := "NULL"
		if p.Curve {
			mechanism = "CURVE"
		}
		way := "by relay"
		if p.Direct {
			way = "directly"
		}
		kind := fmt.Sprintf("%s to %s, %s %s, %s", p.From, p.To, p.Transport, way, mechanism)
		if t.kinds[kind] == nil {
			t.kinds[kind] = &row{}
		}
		t.kinds[kind].pairs++
		t.kinds[kind].balance = t.kinds[kind].balance.Plus(p.Balance)
		t.all = t.all.Plus(p.Balance)
		t.pairs++
	}
	if time.Since(t.told) >= time.Minute {
		t.told = time.Now()
		fmt.Printf("%v: %s\n", time.Since(t.begin).Round(time.Second), t.sum())
	}
}

func (t *table) sum() string {
	return fmt.Sprintf("%d rounds, %d failed, %d pairs: %v", t.rounds, t.failed, t.pairs, t.all)
}

// print prints the table.
func (t *table) print() {
	for _, kind := range slices.Sorted(maps.Keys(t.kinds)) {
		fmt.Printf("%4d × %s: %v\n", t.kinds[kind].pairs, kind, t.kinds[kind].balance)
	}
	for _, words := range slices.Sorted(maps.Keys(t.crashes)) {
		fmt.Printf("%4d × libzmq has crashed, and its group was broken off: %s\n", t.crashes[words], words)
	}
	fmt.Println(t.sum())
}
