// Package stats has the few statistics that the runner needs.
package stats

import "slices"

// Quantile returns the smallest value that at least the fraction q of the values do not exceed, 0 for no values. It
// sorts the values.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[int(q*float64(len(values)-1)+0.5)]
}

// Summary is the middle and the ends of repeated measurements.
type Summary struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Summarize returns the summary of values, of which there must be one; it leaves them alone. The median of an even number
// of values is the mean of the two in the middle.
func Summarize(values []float64) Summary {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return Summary{Median: median, Min: sorted[0], Max: sorted[len(sorted)-1]}
}
