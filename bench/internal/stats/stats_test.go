package stats_test

import (
	"testing"

	"github.com/experimance/experimance-go/bench/internal/stats"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	values := []float64{9, 1, 8, 2, 7, 3, 6, 4, 5, 0, 10}
	for q, want := range map[float64]float64{0: 0, 0.5: 5, 0.9: 9, 1: 10} {
		if got := stats.Quantile(values, q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := stats.Quantile(nil, 0.5); got != 0 {
		t.Errorf("quantile of nothing is %v, want 0", got)
	}
}

func TestSummarize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   stats.Summary
	}{
		{[]float64{3}, stats.Summary{Median: 3, Min: 3, Max: 3}},
		{[]float64{5, 1, 3}, stats.Summary{Median: 3, Min: 1, Max: 5}},
		{[]float64{4, 1, 2, 8}, stats.Summary{Median: 3, Min: 1, Max: 8}},
	} {
		first := c.values[0]
		if got := stats.Summarize(c.values); got != c.want {
			t.Errorf("summary of %v is %v, want %v", c.values, got, c.want)
		}
		if c.values[0] != first {
			t.Errorf("the values were changed to %v", c.values)
		}
	}
}
