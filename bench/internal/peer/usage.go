package peer

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"
)

// usage is what this process has used up so far.
type usage struct {
	cpu     int64  // nanoseconds, user and system
	mallocs uint64 // objects on the heap, of all goroutines
	bytes   uint64 // their bytes
}

func used() usage {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	return usage{cpu: cpuTime(), mallocs: mem.Mallocs, bytes: mem.TotalAlloc}
}

// cpuTime returns the processor time of this process in nanoseconds, user and system.
func cpuTime() int64 {
	var ru unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &ru) // cannot fail with these arguments
	return ru.Utime.Nano() + ru.Stime.Nano()
}

// since returns what was used after u, for each of n messages, as values of a result.
func (u usage) since(n int64) []any {
	now := used()
	each := float64(max(n, 1))
	return []any{
		value("cpu_ns", float64(now.cpu-u.cpu)/each),
		value("allocs", float64(now.mallocs-u.mallocs)/each),
	}
}

// memory returns, as values of a result, the process' resident memory after garbage was collected and given back, and
// what of it Go's heap and stacks hold.
func memory() ([]any, error) {
	debug.FreeOSMemory()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	rss, err := residentBytes()
	if err != nil {
		return nil, err
	}
	return []any{
		value("rss", float64(rss)), value("heap", float64(mem.HeapAlloc)), value("stack", float64(mem.StackInuse)),
	}, nil
}

func residentBytes() (int64, error) {
	const file = "/proc/self/statm"
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("peer: resident memory is known on Linux only: %w", err)
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, fmt.Errorf("peer: %s: unknown form %q", file, text)
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}
