package demo

import "github.com/experimance/experimance-go/internal/cli/demo/survey"

// taskState is what is known of a task.
type taskState uint8

const (
	unsent taskState = iota
	open             // pushed, and no result yet
	lost             // given up as lost with a worker
	done
)

// ledger is the account of the tasks, each of which is a file, and the sum of their results.
type ledger struct {
	files    []survey.File
	states   []taskState
	next     int // the first task that is unsent
	open     int // tasks in that state
	lost     int // tasks in that state
	received int // results
	sum      survey.Sum
}

func newLedger(files []survey.File) *ledger {
	return &ledger{files: files, states: make([]taskState, len(files))}
}

// unsent is how many tasks have not been pushed.
func (l *ledger) unsent() int { return len(l.files) - l.next }

// send notes that the next task was pushed.
func (l *ledger) send() {
	l.states[l.next] = open
	l.open++
	l.next++
}

// receive takes a result in, and reports whether it is the first of its task. One of a task that was given up corrects the
// account.
func (l *ledger) receive(id int, facts survey.Facts) bool {
	if id < 0 || id >= len(l.states) {
		return false
	}
	switch l.states[id] {
	case open:
		l.open--
	case lost:
		l.lost--
	default:
		return false
	}
	l.states[id] = done
	l.received++
	l.sum.Add(l.files[id].Path, facts)
	return true
}

// giveUp gives all open tasks up as lost, and returns how many these are.
func (l *ledger) giveUp() int {
	n := l.open
	for id, s := range l.states {
		if s == open {
			l.states[id] = lost
		}
	}
	l.lost += n
	l.open = 0
	return n
}

// lostFiles returns the paths of the tasks that were given up.
func (l *ledger) lostFiles() []string {
	paths := []string{}
	for id, s := range l.states {
		if s == lost {
			paths = append(paths, survey.Display(l.files[id].Path))
		}
	}
	return paths
}
