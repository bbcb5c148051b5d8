package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table is rows of cells under a header.
type table struct {
	header []string
	rows   [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// writeMarkdown writes the table as Markdown, its columns aligned so that it reads well as plain text too: the first to the
// left, the others to the right.
func (t *table) writeMarkdown(w io.Writer) error {
	widths := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var text strings.Builder
	writeRow(&text, widths, t.header)
	for i, width := range widths {
		rule := strings.Repeat("-", width+1) + ":"
		if i == 0 {
			rule = strings.Repeat("-", width+2)
		}
		text.WriteString("|" + rule)
	}
	text.WriteString("|\n")
	for _, row := range t.rows {
		writeRow(&text, widths, row)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func writeRow(text *strings.Builder, widths []int, row []string) {
	for i, width := range widths {
		cell := ""
		if i < len(row) {
			cell = row[i]
		}
		space := strings.Repeat(" ", width-utf8.RuneCountInString(cell))
		if i == 0 {
			fmt.Fprintf(text, "| %s%s ", cell, space)
		} else {
			fmt.Fprintf(text, "| %s%s ", space, cell)
		}
	}
	text.WriteString("|\n")
}
