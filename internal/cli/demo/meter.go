package demo

import (
	"time"

	"github.com/experimance/experimance-go/internal/cli/demo/survey"
)

// meter measures progress. Its share of the work goes by the files' sizes.
type meter struct {
	label       string
	done, total int
	size, whole int64
	began       time.Time
	took        time.Duration // from start to stop
}

func newMeter(label string, files []survey.File) meter {
	m := meter{label: label, total: len(files)}
	for _, f := range files {
		m.whole += weight(f)
	}
	return m
}

// weight is what a file counts for in the progress: empty ones count, too.
func weight(f survey.File) int64 { return f.Size + 1 }

func (m *meter) start() { m.began = time.Now() }

func (m *meter) stop() { m.took = time.Since(m.began) }

// add counts a file as done and returns the progress.
func (m *meter) add(f survey.File) progress {
	m.done++
	m.size += weight(f)
	return progress{
		label: m.label,
		done:  m.done,
		total: m.total,
		share: float64(m.size) / float64(m.whole),
		rate:  float64(m.done) / time.Since(m.began).Seconds(),
	}
}
