package service

import (
	"bytes"
	"errors"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

// errGoexit is the error of a function that ended its goroutine by runtime.Goexit.
var errGoexit = errors.New("runtime.Goexit was called")

// guard calls fn and turns a panic into a *PanicError under the given name.
func guard(name string, fn func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Name: name, Value: value, Stack: string(debug.Stack())}
		}
	}()
	return fn()
}

// errorAttrs returns err for the log, with the stacks that it holds.
func errorAttrs(err error) []slog.Attr {
	attrs := []slog.Attr{slog.String("error", err.Error())}
	if p, ok := errors.AsType[*PanicError](err); ok {
		attrs = append(attrs, slog.String("stack", p.Stack))
	}
	if stop, ok := errors.AsType[*StopError](err); ok {
		for _, h := range slices.Concat(stop.Tasks, stop.Hooks) {
			attrs = append(attrs, slog.String("stack of "+h.Name, h.Stack))
		}
	}
	return attrs
}

// goroutineID returns the number that the runtime prints for the current goroutine. Go offers it nowhere else. It is
// used to recognise a Stop called from within, and to find a goroutine in a dump of all stacks; numbers are never used
// again within a process.
func goroutineID() uint64 {
	var buf [64]byte
	text := buf[:runtime.Stack(buf[:], false)]
	return parseID(bytes.TrimPrefix(text, []byte("goroutine ")))
}

// parentID returns the number of the goroutine that started the current one, 0 where it is not known.
func parentID() uint64 {
	text := stacks(false)
	i := bytes.LastIndex(text, []byte(" in goroutine "))
	if i < 0 {
		return 0
	}
	return parseID(text[i+len(" in goroutine "):])
}

func parseID(text []byte) uint64 {
	end := 0
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	id, err := strconv.ParseUint(string(text[:end]), 10, 64)
	if err != nil {
		return 0
	}
	return id
}

// stacksByID returns the stack of every goroutine. It stops the world for a moment.
func stacksByID() map[uint64]string {
	byID := make(map[uint64]string)
	for stack := range strings.SplitSeq(string(stacks(true)), "\n\n") {
		if rest, ok := strings.CutPrefix(stack, "goroutine "); ok {
			byID[parseID([]byte(rest))] = stack
		}
	}
	return byID
}

// stacks returns the text of [runtime.Stack], cut off at 64 MiB.
func stacks(all bool) []byte {
	const limit = 64 << 20
	for size := 4 << 10; ; size *= 4 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, all); n < size || size >= limit {
			return buf[:n]
		}
	}
}
