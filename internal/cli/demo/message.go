package demo

import (
	"unicode/utf8"

	"github.com/experimance/experimance-go/internal/cli/demo/survey"
	"github.com/experimance/experimance-go/messaging"
)

// topicFleet is the topic of the controller's commands.
const topicFleet = "fleet"

// The types of message that are the demo's own.
const (
	typeHello    messaging.MessageType = "Hello"    // a report: the worker can be given tasks
	typeRollCall messaging.MessageType = "RollCall" // a task that is nothing but answered by a report
	typeProbe    messaging.MessageType = "Probe"    // a report that the controller's own process sends
)

// command is what the controller publishes.
type command struct {
	Type messaging.MessageType `json:"type"` // TypeCommand
	Stop bool                  `json:"stop"`
}

// task is what the controller pushes: a file to survey, or a roll call.
type task struct {
	Type messaging.MessageType `json:"type"` // TypeTask or typeRollCall
	ID   int                   `json:"id"`   // of the file, or the number of the roll call
	Path string                `json:"path,omitzero"`
	Raw  []byte                `json:"raw,omitzero"` // the path where it is not UTF-8, which JSON cannot carry
}

// newTask is the task for the file.
func newTask(id int, path string) task {
	t := task{Type: messaging.TypeTask, ID: id}
	if utf8.ValidString(path) {
		t.Path = path
	} else {
		t.Raw = []byte(path)
	}
	return t
}

func (t task) path() string {
	if t.Raw != nil {
		return string(t.Raw)
	}
	return t.Path
}

// report is what a worker pushes: a result, the answer to a roll call, or its hello.
type report struct {
	Type   messaging.MessageType `json:"type"` // TypeResult, typeHello, typeRollCall or typeProbe
	Worker string                `json:"worker,omitzero"`
	ID     int                   `json:"id"` // of the task
	Facts  survey.Facts          `json:"facts,omitzero"`
}
