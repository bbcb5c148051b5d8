// Package svg draws grouped bars on a logarithmic scale as an SVG image that can be read on a light and on a dark page.
package svg

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
)

// Bars is a chart: groups of bars along the horizontal axis, one bar of each series in a group.
type Bars struct {
	Title    string
	Subtitle string
	Groups   []string
	Series   []Series
	Format   func(value float64) string // how a value is written; the axis uses it too
	Step     float64                    // the ratio of one line of the axis to the one below
}

// Series is the bars of one colour.
type Series struct {
	Name   string
	Color  string // of CSS, of middle brightness
	Values []Bar  // one for each group
}

// Bar is a value with the range that it was found in. A value that is not positive is missing.
type Bar struct {
	Value, Low, High float64
}

// The image's measures, in pixels.
const (
	width, height = 960, 440
	left, right   = 70, 950
	top, bottom   = 96, 392
	legendY       = 68
	legendX       = 130 // the room of an entry
	groupFill     = 0.86
)

// style follows what the reader's system prefers; the background is the page's.
const style = `text{font:12px system-ui,sans-serif;fill:#1f2328}
.title{font-size:16px;font-weight:600}.note{fill:#59636e}.value{font-size:10px}
.grid{stroke:#d1d9e0}.axis{stroke:#59636e}.range{stroke:#1f2328}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}
.grid{stroke:#3d444d}.axis{stroke:#9198a1}.range{stroke:#e6edf3}}`

// WriteTo writes the image.
func (b Bars) WriteTo(w io.Writer) (int64, error) {
	p := &painter{Bars: b}
	p.scale()
	p.head()
	p.axis()
	for i := range b.Groups {
		p.group(i)
	}
	p.text.WriteString("</svg>\n")
	n, err := io.WriteString(w, p.text.String())
	return int64(n), err
}

// painter is a chart in the making.
type painter struct {
	Bars
	text          strings.Builder
	lowest, steps float64 // where the axis begins and how far it goes, as powers of Step
}

func (p *painter) put(format string, args ...any) { fmt.Fprintf(&p.text, format+"\n", args...) }

// log returns the power of Step that a value is.
func (p *painter) log(value float64) float64 { return math.Log(value) / math.Log(p.Step) }

// scale chooses the axis: from the line below the smallest value to above the largest, with room for its label.
func (p *painter) scale() {
	least, most := math.Inf(1), 0.0
	for _, s := range p.Series {
		for _, v := range s.Values {
			if v.Value > 0 {
				least, most = min(least, v.Value), max(most, v.Value)
			}
		}
	}
	if most == 0 {
		least, most = 1, p.Step
	}
	const leastBar = 0.7 // a bar that ended on the line would not be seen
	p.lowest = math.Floor(p.log(least * leastBar))
	const labelRoom = 0.18 // of the axis
	p.steps = max((p.log(most)-p.lowest)/(1-labelRoom), 1)
}

func (p *painter) y(value float64) float64 {
	part := (p.log(value) - p.lowest) / p.steps
	return bottom - (bottom-top)*min(max(part, 0), 1)
}

func (p *painter) head() {
	p.put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`,
		width, height, width, height)
	p.put("<title>%s</title><style>%s</style>", html.EscapeString(p.Title), style)
	p.put(`<text class="title" x="16" y="28">%s</text>`, html.EscapeString(p.Title))
	p.put(`<text class="note" x="16" y="48">%s</text>`, html.EscapeString(p.Subtitle))
	for i, s := range p.Series {
		x := 16 + i*legendX
		p.put(`<rect x="%d" y="%d" width="12" height="12" rx="2" fill="%s"/>`, x, legendY-10, s.Color)
		p.put(`<text x="%d" y="%d">%s</text>`, x+17, legendY, html.EscapeString(s.Name))
	}
}

// axis draws a line for each power of Step.
func (p *painter) axis() {
	for i := 0.0; i <= p.steps; i++ {
		value := math.Pow(p.Step, p.lowest+i)
		y := p.y(value)
		p.put(`<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, left, right, y, y)
		p.put(`<text class="note" x="%d" y="%.1f" text-anchor="end">%s</text>`, left-8, y+4, html.EscapeString(p.Format(value)))
	}
	p.put(`<line class="axis" x1="%d" x2="%d" y1="%d" y2="%d"/>`, left, right, bottom, bottom)
}

func (p *painter) group(i int) {
	slot := float64(right-left) / float64(len(p.Groups))
	start := left + slot*float64(i)
	bar := slot * groupFill / float64(len(p.Series))
	p.put(`<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, start+slot/2, bottom+20, html.EscapeString(p.Groups[i]))
	for n, s := range p.Series {
		p.bar(s, s.Values[i], start+slot*(1-groupFill)/2+bar*float64(n), bar)
	}
}

func (p *painter) bar(s Series, v Bar, x, wide float64) {
	middle := x + wide/2
	if v.Value <= 0 {
		p.put(`<text class="note" x="%.1f" y="%d" text-anchor="middle">–</text>`, middle, bottom-4)
		return
	}
	y := p.y(v.Value)
	p.put(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"><title>%s: %s</title></rect>`,
		x, y, max(wide-2, 1), bottom-y, s.Color, html.EscapeString(s.Name), html.EscapeString(p.Format(v.Value)))
	if v.High > v.Low && v.Low > 0 {
		p.put(`<line class="range" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, middle, middle, p.y(v.Low), p.y(v.High))
	}
	labelY := min(y, p.y(max(v.High, v.Value))) - 5
	p.put(`<text class="value" transform="translate(%.1f %.1f) rotate(-90)">%s</text>`,
		middle+3.5, labelY, html.EscapeString(p.Format(v.Value)))
}
