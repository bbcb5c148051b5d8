package demo

import (
	"bytes"
	"io"
)

// Lines returns a writer for text, such as a log, that the display shows line by line, each behind a prefix. It is for one
// goroutine at a time.
func (d *Display) Lines(prefix string) io.Writer { return &lineWriter{display: d, prefix: prefix} }

type lineWriter struct {
	display *Display
	prefix  string
	partial []byte // the line that has not ended yet
}

// longestLine is where a line that does not end is broken.
const longestLine = 64 << 10

// Write implements io.Writer.
func (w *lineWriter) Write(text []byte) (int, error) {
	w.partial = append(w.partial, text...)
	for {
		line, rest, ended := bytes.Cut(w.partial, []byte("\n"))
		if !ended && len(line) < longestLine {
			return len(text), nil
		}
		w.display.Line("%s%s", w.prefix, line)
		w.partial = rest
	}
}
