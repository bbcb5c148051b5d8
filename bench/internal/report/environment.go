package report

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Here describes this machine and this moment.
func Here(rounds int, window time.Duration, engines map[string]string) Environment {
	return Environment{
		CPU:       processor(),
		Cores:     runtime.NumCPU(),
		System:    runtime.GOOS + "/" + runtime.GOARCH,
		Go:        runtime.Version(),
		Commit:    commit(),
		Engines:   engines,
		Rounds:    rounds,
		Window:    window,
		LoadStart: load(),
	}
}

// processor returns the first processor's name as Linux tells it, with its family and model, since
// the name alone may be that of many.
func processor() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer func() { _ = file.Close() }()
	found := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan() && lines.Text() != ""; {
		name, value, _ := strings.Cut(lines.Text(), ":")
		found[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	name, family := cmp.Or(found["model name"], "unknown processor"), found["cpu family"]
	if family == "" {
		return name
	}
	return fmt.Sprintf("%s (family %s, model %s)", name, family, found["model"])
}

// load returns the system's load averages.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg") // only Linux has it
	return strings.TrimSpace(string(text))
}

// commit returns the commit of the current folder's repository.
func commit() string {
	hash, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "an unknown commit"
	}
	changes, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output()
	if err != nil || len(changes) > 0 {
		return strings.TrimSpace(string(hash)) + "+"
	}
	return strings.TrimSpace(string(hash))
}
