package svg_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/bench/internal/svg"
)

func draw(t *testing.T, b svg.Bars) string {
	t.Helper()
	var text strings.Builder
	if _, err := b.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(strings.NewReader(text.String())); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return text.String()
		} else if err != nil {
			t.Fatalf("not XML: %v\n%s", err, text.String())
		}
	}
}

func TestBars(t *testing.T) {
	t.Parallel()
	text := draw(t, svg.Bars{
		Title:  "a < b & c",
		Groups: []string{"16 B", "64 B"},
		Series: []svg.Series{
			{Name: "one", Color: "#0072b2", Values: []svg.Bar{{Value: 100, Low: 90, High: 120}, {Value: 40}}},
			{Name: "two", Color: "#d55e00", Values: []svg.Bar{{Value: 2000}, {}}},
		},
		Format: func(v float64) string { return fmt.Sprintf("%.0f/s", v) },
		Step:   10,
	})
	for what, count := range map[string]int{
		"a &lt; b &amp; c":      2, // title and heading
		`fill="#0072b2"`:        3, // legend and two bars
		`fill="#d55e00"`:        2, // legend and one bar: the other is missing
		">–<":                   1, // which is shown
		`<line class="range"`:   1,
		"one: 100/s":            1,
		"two: 2000/s":           1,
		">10/s<":                1, // a line of the axis
		"prefers-color-scheme:": 1,
	} {
		if got := strings.Count(text, what); got != count {
			t.Errorf("%q is there %d times, want %d", what, got, count)
		}
	}
}

func TestBarsOfNothing(t *testing.T) {
	t.Parallel()
	draw(t, svg.Bars{Groups: []string{"none"}, Format: func(float64) string { return "" }, Step: 4})
}
