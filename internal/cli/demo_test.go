package cli_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// outcome is what the tests read of the demo's JSON.
type outcome struct {
	Interrupted bool     `json:"interrupted"`
	Sent        int      `json:"tasks_sent"`
	Received    int      `json:"results_received"`
	Lost        int      `json:"tasks_lost"`
	Unsent      int      `json:"tasks_unsent"`
	LostFiles   []string `json:"lost_files"`
	Workers     []struct {
		Name    string
		Process int
		Tasks   int
		End     string
	}
	Services []struct {
		Name       string
		Heartbeats int
		Receipt    *struct {
			Finished int `json:"tasks_finished"`
		}
	}
	Totals struct {
		Files, Failed, Lines, Functions int
		Packages                        []struct {
			Path                    string
			Files, Lines, Functions int
		}
		Longest []struct {
			Path, Name  string
			Line, Lines int
		} `json:"longest_functions"`
		Imports []struct {
			Path  string
			Files int
		}
		Failures []struct{ Path, Error string }
	}
	Check *struct {
		Identical   bool
		Differences []string
	}
	Problems []string
}

// outcome decodes the JSON document that is all of the standard output.
func (p *program) outcome() outcome {
	p.t.Helper()
	var o outcome
	if err := json.Unmarshal(p.stdout.Bytes(), &o); err != nil {
		p.t.Fatalf("%v: standard output is not one JSON document: %v", p.cmd, err)
	}
	byWorkers := 0
	for _, w := range o.Workers {
		byWorkers += w.Tasks
	}
	if o.Sent != o.Received+o.Lost || o.Received != byWorkers || o.Received != o.Totals.Files || o.Lost != len(o.LostFiles) {
		p.t.Fatalf("%v: the account is wrong: %s", p.cmd, p.stdout.String())
	}
	return o
}

// write writes files below a directory, by their paths and contents.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for path, text := range files {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDemoTotals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a.go":              "package a\n\nimport (\n\t\"fmt\"\n\tio \"io\"\n)\n\nfunc F() {\n\tfmt.Println()\n}\n",
		"b.go":              "package a\n\nimport \"fmt\"\n\ntype T[P any] int\n\nfunc (t *T[P]) M() { fmt.Println() }\nfunc g() {}",
		"in/c.go":           "package c\n\n//line x.y:1000\nfunc Longest() {\n\n\n}\n",
		"in/wrong.go":       "package c\n\nfunc {\n",
		"in/empty.go":       "",
		"in/readme.txt":     "not Go",
		"in/dir.go/d.go":    "package d\n",
		"testdata/none.mod": "module none\n",
	})
	p := start(t, nil, "demo", "--json", "--check", "--workers", "2", dir)
	p.wantExit(0)
	o := p.outcome()
	if o.Sent != 6 || o.Lost != 0 || o.Unsent != 0 || o.Interrupted || len(o.Problems) > 0 {
		t.Errorf("sent %d, lost %d, unsent %d, problems %q; want 6 sent and no more", o.Sent, o.Lost, o.Unsent, o.Problems)
	}
	if o.Check == nil || !o.Check.Identical {
		t.Errorf("check: %+v, want identical", o.Check)
	}
	for i, f := range o.Totals.Failures {
		o.Totals.Failures[i].Error, _, _ = strings.Cut(f.Error, ": ") // the position; what follows is the parser's
	}
	got, err := json.Marshal(o.Totals)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"Files":6,"Failed":2,"Lines":26,"Functions":4,` +
		`"Packages":[{"Path":".","Files":2,"Lines":18,"Functions":3},` +
		`{"Path":"in","Files":1,"Lines":7,"Functions":1},{"Path":"in/dir.go","Files":1,"Lines":1,"Functions":0}],` +
		`"longest_functions":[{"Path":"in/c.go","Name":"Longest","Line":4,"Lines":4},` +
		`{"Path":"a.go","Name":"F","Line":8,"Lines":3},{"Path":"b.go","Name":"(*T).M","Line":7,"Lines":1}],` +
		`"Imports":[{"Path":"fmt","Files":2},{"Path":"io","Files":1}],` +
		`"Failures":[{"Path":"in/empty.go","Error":"1:1"},` +
		`{"Path":"in/wrong.go","Error":"3:6"}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

// goroot is where Go is installed.
func goroot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// A part of the Go source tree, by twice as many workers as there are processors.
func TestDemoManyWorkers(t *testing.T) {
	t.Parallel()
	workers := 2 * runtime.NumCPU()
	p := start(t, nil, "demo", "--json", "--check", "--workers", strconv.Itoa(workers), filepath.Join(goroot(t), "src", "go"))
	p.wantExit(0)
	o := p.outcome()
	if o.Sent < 300 || o.Received != o.Sent || !o.Check.Identical || len(o.Workers) != workers {
		t.Errorf("sent %d, received %d, %d workers, check %+v", o.Sent, o.Received, len(o.Workers), o.Check)
	}
	for _, w := range o.Workers {
		if w.Tasks == 0 || w.End != "exit status 0" {
			t.Errorf("%s: %d tasks, %s; want a part of the work and a clean end", w.Name, w.Tasks, w.End)
		}
	}
	for _, s := range o.Services {
		if s.Receipt == nil {
			t.Errorf("%s gave no receipt", s.Name)
		}
	}
}

func TestDemoTables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.go": "package a\n\nfunc F() {}\n", "b.go": "package"})
	p := start(t, nil, "demo", "--check", "-w", "1", dir)
	p.wantExit(0)
	for _, want := range []string{
		"packages by lines\n  lines  files  functions  package\n  3      1      1          .\n",
		"longest functions\n  lines  function  at\n  1      F         a.go:3\n",
		"totals: files 2 (not parsed: 1), packages 1, lines 3, functions 1, imports 0\n",
		"2 tasks sent, 2 results received, 0 lost: ",
		"check: totals identical with those of one process",
		"controller  ",
		"observer  ",
		"stopped in ",
	} {
		if !strings.Contains(p.stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, p.stdout.String())
		}
	}
}

func TestDemoRefuses(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"no such directory", []string{filepath.Join(empty, "none")}, 1, "none"},
		{"no Go files", []string{empty}, 1, "no Go files under"},
		{"no workers", []string{"--workers", "0", empty}, 2, "a fleet has at least 1"},
		{"unknown flag", []string{"--nonsense"}, 2, "unknown flag: --nonsense"},
		{"two directories", []string{empty, empty}, 2, "accepts at most 1 arg"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, nil, append([]string{"demo"}, tt.args...)...)
			p.wantExit(tt.status)
			p.await(tt.want)
			if p.stdout.Len() > 0 {
				t.Errorf("standard output: %q, want nothing", p.stdout.String())
			}
		})
	}
}
