package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/experimance/experimance-go/bench/internal/stats"
)

// TestMannWhitney has values that benchstat prints, with the three digits that it has.
func TestMannWhitney(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{nil, []float64{1}, 1},
		{[]float64{1, 2, 3}, []float64{4, 5, 6}, 0.1},
		{[]float64{1, 2, 3, 4}, []float64{5, 6, 7, 8}, 0.029},
		{[]float64{5, 6, 7, 8}, []float64{1, 2, 3, 4}, 0.029},
		{[]float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}, 0.008},
		{[]float64{1, 2, 3, 4, 5, 7}, []float64{6, 8, 9, 10, 11, 12}, 0.004},
		{[]float64{1, 3, 5, 7, 9, 11}, []float64{2, 4, 6, 8, 10, 12}, 0.699},
		{[]float64{1, 1, 2, 2, 3, 4}, []float64{2, 3, 3, 4, 4, 5}, 0.113},
		{[]float64{1, 1, 1, 1}, []float64{1, 1, 1, 1}, 1},
	} {
		if got := stats.MannWhitney(c.a, c.b); math.Abs(got-c.want) > 0.0005 {
			t.Errorf("p of %v and %v is %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

// TestMannWhitneyByCounting compares with what comes of dealing the values out in every way.
func TestMannWhitneyByCounting(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		values := make([]float64, 3+random.IntN(9))
		for i := range values {
			values[i] = float64(random.IntN(2 * len(values))) // some are equal
		}
		n := 1 + random.IntN(len(values)-1)
		if got, want := stats.MannWhitney(values[:n], values[n:]), counted(values, n); math.Abs(got-want) > 1e-9 {
			t.Errorf("p of %v and %v is %v, want %v", values[:n], values[n:], got, want)
		}
	}
}

// counted is the p-value of the first n of the values against the others.
func counted(values []float64, n int) float64 {
	u := func(mine uint) (u float64) { // pairs that a value of mine wins; a half for each draw
		for i, x := range values {
			for j, y := range values {
				if mine>>i&1 == 0 || mine>>j&1 == 1 {
					continue
				}
				if x > y {
					u++
				} else if x == y {
					u += 0.5
				}
			}
		}
		return u
	}
	seen := u(1<<n - 1)
	var all, atMost, atLeast float64
	for mine := range uint(1) << len(values) {
		taken := 0
		for i := range values {
			taken += int(mine >> i & 1)
		}
		if taken != n {
			continue
		}
		all++
		if u(mine) <= seen {
			atMost++
		}
		if u(mine) >= seen {
			atLeast++
		}
	}
	return min(1, 2*min(atMost, atLeast)/all)
}
