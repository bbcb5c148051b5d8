package demo

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// shown is how many rows a table shows of what has more.
const shown = 10

// WriteTo writes the outcome for people.
func (o *Outcome) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	o.writeSurvey(&b)
	o.writeFleet(&b)
	o.writeVerdict(&b)
	return b.WriteTo(w)
}

// writeSurvey writes what the files hold.
func (o *Outcome) writeSurvey(b *bytes.Buffer) {
	t := o.Totals
	table(b, "packages by lines", []string{"lines", "files", "functions", "package"}, len(t.Packages), func(i int) []any {
		p := t.Packages[i]
		return []any{p.Lines, p.Files, p.Functions, printable(p.Path)}
	})
	table(b, "longest functions", []string{"lines", "function", "at"}, len(t.LongestFunctions), func(i int) []any {
		f := t.LongestFunctions[i]
		return []any{f.Lines, f.Name, fmt.Sprintf("%s:%d", printable(f.Path), f.Line)}
	})
	table(b, "most imported", []string{"files", "path"}, len(t.Imports), func(i int) []any {
		return []any{t.Imports[i].Files, printable(t.Imports[i].Path)}
	})
	table(b, "not parsed", []string{"file", "error"}, len(t.Failures), func(i int) []any {
		return []any{printable(t.Failures[i].Path), printable(t.Failures[i].Error)}
	})
	fmt.Fprintf(b, "totals: files %d (not parsed: %d), packages %d, lines %d, functions %d, imports %d\n\n",
		t.Files, t.Failed, len(t.Packages), t.Lines, t.Functions, t.Counts.Imports)
}

// writeFleet writes who did the work.
func (o *Outcome) writeFleet(b *bytes.Buffer) {
	table(b, "workers", []string{"worker", "process", "tasks", "end"}, len(o.Workers), func(i int) []any {
		w := o.Workers[i]
		return []any{w.Name, w.Process, w.Tasks, w.End}
	})
	table(b, "services", []string{"service", "heartbeats", "receipt"}, len(o.Services), func(i int) []any {
		s := o.Services[i]
		receipt := "none"
		if s.Receipt != nil {
			receipt = s.Receipt.String()
		}
		return []any{s.Name, s.Heartbeats, receipt}
	})
}

// writeVerdict writes whether all went well.
func (o *Outcome) writeVerdict(b *bytes.Buffer) {
	fmt.Fprintf(b, "%d tasks sent, %d results received, %d lost: %.0f tasks/s in %v\n",
		o.TasksSent, o.ResultsReceived, o.TasksLost, o.TasksPerSecond, seconds(o.Seconds))
	for i, file := range o.LostFiles {
		if i == shown {
			fmt.Fprintf(b, "and %d more\n", len(o.LostFiles)-shown)
			break
		}
		fmt.Fprintf(b, "lost: %s\n", printable(file))
	}
	if o.TasksUnsent > 0 {
		fmt.Fprintf(b, "%d tasks were not sent\n", o.TasksUnsent)
	}
	for _, problem := range o.Problems {
		fmt.Fprintf(b, "problem: %s\n", problem)
	}
	if o.Interrupted {
		fmt.Fprintln(b, "interrupted: the totals are of a part of the files")
	}
	if c := o.Check; c != nil && c.Identical {
		fmt.Fprintf(b, "check: totals identical with those of one process, which took %v\n", seconds(c.Seconds))
	} else if c != nil {
		fmt.Fprintf(b, "check: totals differ from those of one process: %s\n", strings.Join(c.Differences, "; "))
	}
}

// table writes a table of at most shown rows, and how many more there are. An empty one is left out.
func table(b *bytes.Buffer, title string, head []string, rows int, row func(i int) []any) {
	if rows == 0 {
		return
	}
	fmt.Fprintln(b, title)
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "  %s\n", strings.Join(head, "\t"))
	for i := range min(rows, shown) {
		fmt.Fprintf(w, "  "+strings.Repeat("%v\t", len(head)-1)+"%v\n", row(i)...)
	}
	_ = w.Flush() // into a buffer
	if rows > shown {
		fmt.Fprintf(b, "  and %d more\n", rows-shown)
	}
	fmt.Fprintln(b)
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond)
}

// printable is text from outside, quoted where it could play tricks on a terminal.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
