package report

import (
	"fmt"
	"math"
)

// Format writes a value with three digits, in thousands or millions where that is shorter.
func (u Unit) Format(v float64) string {
	switch u {
	case PerSecond:
		return scaled(v, 1000, "", " k", " M", " G")
	case Microseconds:
		return scaled(v, 1000, " µs", " ms", " s")
	case Bytes:
		return scaled(v, 1024, " B", " KiB", " MiB", " GiB")
	default:
		return digits(v)
	}
}

func scaled(v, step float64, names ...string) string {
	i := 0
	for ; math.Abs(v) >= step && i+1 < len(names); i++ {
		v /= step
	}
	return digits(v) + names[i]
}

// digits writes three significant digits, but no more than three after the point.
func digits(v float64) string {
	switch abs := math.Abs(v); {
	case abs >= 99.95 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case abs >= 9.995:
		return fmt.Sprintf("%.1f", v)
	case abs >= 0.9995:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}
