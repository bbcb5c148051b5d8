package stats

import "slices"

// MannWhitney returns the p-value of the two-sided Mann-Whitney U test of two samples: how likely
// the ranks of their values are as unequal as these, or more so, if both are of the same
// distribution. It is exact, also with equal values, and is what benchstat reports. Of an empty
// sample it is 1.
func MannWhitney(a, b []float64) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 1
	}
	doubled := doubledRanks(append(slices.Clone(a), b...))
	sum := 0 // of a's ranks
	for _, r := range doubled[:len(a)] {
		sum += r
	}
	counts := sums(doubled, len(a))
	var all, atMost, atLeast float64
	for s, n := range counts {
		all += n
		if s <= sum {
			atMost += n
		}
		if s >= sum {
			atLeast += n
		}
	}
	return min(1, 2*min(atMost, atLeast)/all)
}

// doubledRanks returns twice the rank of each value among all, where equal values share the mean of
// theirs.
func doubledRanks(values []float64) []int {
	ranks := make([]int, len(values))
	for i, v := range values {
		less, equal := 0, 0
		for _, other := range values {
			if other < v {
				less++
			} else if other == v {
				equal++
			}
		}
		ranks[i] = 2*less + equal + 1
	}
	return ranks
}

// sums returns for each sum in how many ways n of the ranks have it.
func sums(ranks []int, n int) []float64 {
	total := 0
	for _, r := range ranks {
		total += r
	}
	ways := make([][]float64, n+1) // by how many were taken, and their sum
	for k := range ways {
		ways[k] = make([]float64, total+1)
	}
	ways[0][0] = 1
	for _, r := range ranks {
		for k := n; k > 0; k-- {
			for s := total; s >= r; s-- {
				ways[k][s] += ways[k-1][s-r]
			}
		}
	}
	return ways[n]
}
