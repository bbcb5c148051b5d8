package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Display shows lines and the progress of the work: below the lines as a bar on a terminal, elsewhere as a line for each
// tenth. Its methods may be called by many goroutines at once.
type Display struct {
	out   io.Writer
	width func() int // of the terminal

	mu     sync.Mutex
	bar    string // what the terminal's last line shows; empty where it shows nothing
	drawn  time.Time
	tenths int // of the work that lines have told of
}

// redraw is the least time between two drawings of the bar.
const redraw = 50 * time.Millisecond

// NewDisplay returns a display on out. width returns the width of the terminal that out is; nil says that it is none.
func NewDisplay(out io.Writer, width func() int) *Display { return &Display{out: out, width: width} }

// Line shows a line of text.
func (d *Display) Line(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line(fmt.Sprintf(format, args...))
}

// line shows text that may be from outside, without what could play tricks on a terminal.
func (d *Display) line(text string) {
	bar := d.bar
	d.replace("")
	fmt.Fprintln(d.out, strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text))
	d.replace(bar)
}

// progress is how far the work is.
type progress struct {
	label       string
	done, total int     // tasks
	share       float64 // of the work, from 0 to 1
	rate        float64 // tasks a second
}

func (p progress) String() string {
	return fmt.Sprintf("%s %d/%d files, %.0f/s", p.label, p.done, p.total, p.rate)
}

// progress shows how far the work is.
func (d *Display) progress(p progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.width == nil {
		if tenths := int(p.share * 10); tenths != d.tenths {
			d.tenths = tenths
			d.line(fmt.Sprintf("%v, %d %% of the bytes", p, tenths*10))
		}
		return
	}
	if now := time.Now(); now.Sub(d.drawn) >= redraw || p.done == p.total {
		d.drawn = now
		d.replace(drawBar(p, d.width()))
	}
}

// clear takes the bar away.
func (d *Display) clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.replace("")
	d.tenths = 0
}

// replace changes what the terminal's last line shows.
func (d *Display) replace(bar string) {
	if bar == d.bar {
		return
	}
	pad := max(utf8.RuneCountInString(d.bar)-utf8.RuneCountInString(bar), 0)
	fmt.Fprintf(d.out, "\r%s%s", bar, strings.Repeat(" ", pad))
	if bar == "" {
		fmt.Fprint(d.out, "\r")
	}
	d.bar = bar
}

// drawBar draws a bar that is a column narrower than the terminal, so that the cursor stays in its line.
func drawBar(p progress, width int) string {
	text := p.String()
	room := width - 1 - len(text) - len("[] ")
	if room < 10 {
		return text[:max(min(len(text), width-1), 0)]
	}
	room = min(room, 50)
	full := int(p.share * float64(room))
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", room-full) + "] " + text
}
